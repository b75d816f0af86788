// Files to values and values to text.
#include "tests/golden/golden_case.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/strings.h"
#include "control-plane/apkctl/manifest/read_manifest.h"
#include "control-plane/validation/validate.h"

namespace apk::golden {
namespace {

constexpr std::string_view kSeparator = "=====\n";

void ClearTimes(google::protobuf::Message* message) {
  const auto* const reflection = message->GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const auto* const field : fields) {
    if (field->name() == "last_transition_time" || field->name() == "transition_time") {
      reflection->ClearField(message, field);
    } else if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    } else if (!field->is_repeated()) {
      ClearTimes(reflection->MutableMessage(message, field));
    } else {
      for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
        ClearTimes(reflection->MutableRepeatedMessage(message, field, i));
      }
    }
  }
}

// One line instead of seven.
class ConditionPrinter : public google::protobuf::TextFormat::MessagePrinter {
 public:
  void Print(const google::protobuf::Message& message, bool /*single_line*/,
             google::protobuf::TextFormat::BaseTextGenerator* generator) const override {
    const auto& condition = static_cast<const v1::Condition&>(message);
    generator->PrintString(
        Concat(condition.type(), "=", condition.status(), " ", condition.reason(), " @",
               std::to_string(condition.observed_generation()), ": ", condition.message(), "\n"));
  }
};

std::string Indented(const google::protobuf::Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.RegisterMessagePrinter(v1::Condition::descriptor(), new ConditionPrinter);
  printer.SetInitialIndentLevel(1);
  std::string text;
  printer.PrintToString(message, &text);
  return text;
}

std::string PrintStatus(const google::protobuf::Message& object) {
  const std::unique_ptr<google::protobuf::Message> copy(object.New());
  copy->CopyFrom(object);
  const auto* const field = copy->GetDescriptor()->FindFieldByName("status");
  google::protobuf::Message* const status =
      copy->GetReflection()->MutableMessage(copy.get(), field);
  ClearTimes(status);
  return Concat("status of ", KeyOf(object).ToString(), "\n", Indented(*status));
}

}  // namespace

std::vector<std::string> AllCases() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(APK_GOLDEN_DIR)) {
    if (entry.path().extension() == ".golden") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string CaseName(const testing::TestParamInfo<std::string>& path) {
  return std::filesystem::path(path.param).stem().string();
}

Case ReadCase(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  const size_t at = text.find(kSeparator);
  if (at == std::string::npos) return {.input = text, .expected = ""};
  return {.input = text.substr(0, at), .expected = text.substr(at + kSeparator.size())};
}

void WriteCase(const std::string& path, const Case& golden) {
  std::ofstream(path) << golden.input << kSeparator << golden.expected;
}

ResourceSet ReadResources(std::string_view yaml) {
  ManifestResult manifest = ReadManifest(yaml, "golden");
  for (const ManifestProblem& problem : manifest.problems) {
    ADD_FAILURE() << problem.at.line << ": " << problem.field_path << ": " << problem.message;
  }
  ResourceSet resources;
  for (ManifestDocument& document : manifest.documents) {
    for (const FieldIssue& issue : Validate(*document.object)) {
      if (issue.severity != FieldIssue::Severity::kError) continue;
      ADD_FAILURE() << document.at.line << ": " << issue.field_path << ": " << issue.message;
    }
    Normalize(*document.object);
    v1::ObjectMeta& metadata = *MutableMetadataOf(*document.object);
    if (!metadata.has_generation()) metadata.set_generation(1);
    if (!metadata.has_creation_timestamp()) metadata.set_creation_timestamp("2026-01-01T00:00:00Z");
    resources.Put(std::move(document.object));
  }
  return resources;
}

FleetReport ReadFleet(std::string_view input) {
  FleetReport fleet;
  FleetReport::Group* group = &fleet.groups.emplace_back();
  bool given = false;
  std::istringstream lines{std::string(input)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#! ")) continue;
    given = true;
    std::istringstream words(line.substr(3));
    std::string directive;
    std::string argument;
    words >> directive >> argument >> std::ws;
    if (directive == "agents") {
      group->agents = std::stoi(argument);
    } else if (directive == "labels") {
      // Of the group that begins here.
      group = &fleet.groups.emplace_back();
      const std::vector<std::string_view> labels = Split(argument, ',');
      group->labels = LabelsOf(labels);
    } else if (directive == "address") {
      group->addresses.insert(argument);
    } else if (directive == "error") {
      std::string message;
      std::getline(words, message);
      fleet.listener_errors[argument].push_back(
          {.agent = "a1", .message = message, .address = "", .address_unusable = false});
    } else if (directive == "unusable") {
      FleetReport::ListenerError error{
          .agent = "a1", .message = "", .address = "", .address_unusable = true};
      words >> error.address >> std::ws;
      std::getline(words, error.message);
      fleet.listener_errors[argument].push_back(error);
    } else {
      ADD_FAILURE() << "unknown directive: " << line;
    }
  }
  if (!given) {
    group->agents = 1;
    group->addresses = {"127.0.0.1"};
  }
  return fleet;
}

std::string Print(const Translation& translation) {
  std::string text = Concat("version ", translation.snapshot.version(), "\n");
  for (v1::SnapshotResource resource : translation.snapshot.resources()) {
    text += Concat(resource.name(), "\n");
    resource.clear_hash();
    resource.clear_name();
    text += Indented(resource);
  }
  for (const ResourcePtr& object : translation.status_updates) {
    if (KeyOf(*object).kind != "GatewayClass") text += PrintStatus(*object);
  }
  return text;
}

}  // namespace apk::golden

// apply and validate.
#include <iostream>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/object_conditions.h"
#include "control-plane/apkctl/send_manifests.h"
#include "control-plane/resources/label_selector.h"
#include "control-plane/resources/resource_set.h"

namespace apk {
namespace {

// What the objects' new statuses say against them, where it stands in the manifests.
void ReportConditions(const v1::ApplyResponse& response, const Documents& documents,
                      ProblemReport& report) {
  for (int i = 0; i < response.results_size(); ++i) {
    const auto object = Unpack(response.results(i).object());
    const auto index = static_cast<size_t>(i);  // Results are in the order of the request.
    if (object == nullptr || index >= documents.size()) continue;
    for (const ConditionWarning& warning : WarningsOf(*object)) {
      const std::string subject =
          warning.field_path.empty() ? ResourceName(response.results(i).key()) : warning.field_path;
      report.AddWarning(documents[index].Locate(warning.field_path), subject, warning.message,
                        warning.hint);
    }
  }
}

// What an apply of objects that are well would do, as far as that shows from who is there: nobody
// is asked what is different.
int RunOnClient(const Session& session, const Documents& documents) {
  for (const ManifestDocument& document : documents) {
    const ResourceKey key = KeyOf(*document.object);
    v1::GetRequest request;
    v1::ObjectKey& wanted = *request.mutable_key();
    wanted.set_group(key.group);
    wanted.set_kind(key.kind);
    wanted.set_namespace_(key.namespace_name);
    wanted.set_name(key.name);
    const absl::Status found = session.client->Get(request).status();
    if (!found.ok() && !absl::IsNotFound(found)) return PrintError(found);
    std::cout << ResourceName(wanted) << (found.ok() ? " configured" : " created")
              << " (dry run)\n";
  }
  return 0;
}

// Who applies where no agent listens would wait for nothing.
void NoteIfNobodyServes(const Session& session) {
  const absl::StatusOr<v1::ListAgentsResponse> response = session.client->ListAgents();
  if (!response.ok()) return;
  for (const v1::AgentStatus& agent : response->agents()) {
    if (agent.connected()) return;
  }
  std::cerr
      << "Note: no agent is connected now (apkctl agents); what was applied is kept and served "
         "when one is\n";
}

// Pruning names its set by a selector, and nobody but the control plane knows who is in it.
std::string WrongWith(const ApplyFlags& flags) {
  if (!flags.prune) return "";
  if (flags.selector.empty()) {
    return "--prune needs -l: the labels of what is applied, and of what may be deleted";
  }
  if (flags.dry_run != "client") return "";
  return "--prune: only the control plane knows what would be deleted: use --dry-run=server";
}

// Leaves what the selector selects, as kubectl does; false, and it is said, where that is nothing.
bool Select(const std::string& text, Documents& documents) {
  const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(text);
  if (!selector.ok()) {
    PrintError(Concat("-l: ", std::string(selector.status().message())));
    return false;
  }
  const size_t left_out = std::erase_if(documents, [&](const ManifestDocument& document) {
    return !selector->Matches(MetadataOf(*document.object).labels());
  });
  if (documents.empty()) {
    PrintError(Concat("none of the objects has the labels \"", text, "\""));
    return false;
  }
  if (left_out > 0) {
    std::cerr << "Note: " << left_out << " objects without the labels were left out\n";
  }
  return true;
}

const char* PastOf(const v1::ObjectResult& result) {
  return result.action() == v1::ObjectResult::DELETED ? "pruned" : VerbOf(result.action());
}

}  // namespace

const char* VerbOf(v1::ObjectResult::Action action) {
  switch (action) {
    case v1::ObjectResult::CREATED:
      return "created";
    case v1::ObjectResult::CONFIGURED:
      return "configured";
    case v1::ObjectResult::DELETED:
      return "deleted";
    default:
      return "unchanged";
  }
}

int RunApply(const GlobalFlags& global, const ApplyFlags& flags) {
  const std::optional<std::chrono::milliseconds> patience = ParsePatience(flags.wait);
  if (!patience.has_value()) return 1;
  if (const std::string wrong = WrongWith(flags); !wrong.empty()) return PrintError(wrong);
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  ProblemReport report;
  std::optional<Documents> documents =
      ReadDocuments(*session, flags.input, global.namespace_name, report);
  if (!documents.has_value()) return 1;
  if (!flags.selector.empty() && !Select(flags.selector, *documents)) return 1;
  if (flags.dry_run == "client") {
    CheckOffline(*documents, report);
    return report.has_errors() ? Refuse(report) : RunOnClient(*session, *documents);
  }
  const bool dry_run = flags.dry_run == "server";
  const SendOptions options{.dry_run = dry_run, .prune = flags.prune ? flags.selector : ""};
  const std::optional<v1::ApplyResponse> response = Send(*session, *documents, options, report);
  if (!response.has_value()) return 1;
  for (const v1::ObjectResult& result : response->results()) {
    std::cout << ResourceName(result.key()) << " " << PastOf(result)
              << (dry_run ? " (server dry run)" : "") << "\n";
  }
  std::cout.flush();
  ReportConditions(*response, *documents, report);
  if (dry_run) return 0;
  if (flags.wait != "none") {
    std::vector<v1::ObjectKey> about;
    for (const v1::ObjectResult& result : response->results()) about.push_back(result.key());
    return WaitForAgents(*session, response->revision(), about, *patience);
  }
  NoteIfNobodyServes(*session);
  return 0;
}

int RunValidate(const GlobalFlags& global, const FileFlags& input) {
  const std::string fallback = global.namespace_name.empty() ? "default" : global.namespace_name;
  ProblemReport report;
  const std::optional<Documents> documents =
      LoadManifests(input, fallback, global.namespace_name, report);
  if (!documents.has_value()) return 1;
  CheckOffline(*documents, report);
  if (report.has_errors()) return 1;
  for (const ManifestDocument& document : *documents) {
    const Kind& kind = *FindKind(document.object->GetDescriptor());
    std::cout << kind.QualifiedName() << "/" << MetadataOf(*document.object).name() << " valid\n";
  }
  return 0;
}

}  // namespace apk

// A walk over the message by reflection: a new kind needs no code here.
#include "control-plane/validation/field_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "apk/v1/schema.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const v1::FieldRules& RulesOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::field);
}

std::string JoinValues(const google::protobuf::RepeatedPtrField<std::string>& values) {
  return Join(std::vector<std::string>(values.begin(), values.end()), ", ");
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string Quoted(std::string_view text) {
  constexpr size_t kShownMax = 80;
  return text.size() <= kShownMax ? Concat("\"", text, "\"")
                                  : Concat("\"", CutUtf8(text, kShownMax), "…\"");
}

class Walker {
 public:
  Walker(std::string_view version, std::vector<FieldIssue>& issues)
      : version_(version), issues_(issues) {}

  void Check(const Message& message, const std::string& path) {
    const auto* const descriptor = message.GetDescriptor();
    if (descriptor->file()->package() == "google.protobuf") return;
    for (int i = 0; i < descriptor->field_count(); ++i) {
      CheckField(message, *descriptor->field(i), path);
    }
  }

 private:
  void Add(const std::string& path, std::string message, std::string hint = "") {
    issues_.push_back({.severity = FieldIssue::Severity::kError,
                       .field_path = path,
                       .message = std::move(message),
                       .hint = std::move(hint)});
  }

  void CheckField(const Message& message, const FieldDescriptor& field, const std::string& parent) {
    const Reflection& reflection = *message.GetReflection();
    const v1::FieldRules& rules = RulesOf(field);
    const std::string path =
        parent.empty() ? field.json_name() : Concat(parent, ".", field.json_name());
    const bool present = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                             : reflection.HasField(message, &field);
    const bool exists = rules.only_in().empty() ||
                        std::find(rules.only_in().begin(), rules.only_in().end(), version_) !=
                            rules.only_in().end();
    if (!present) {
      if (exists && rules.required() && !rules.has_default_value()) {
        Add(path, field.is_repeated() ? "is required, with at least one entry" : "is required");
      }
      return;
    }
    if (!exists) {
      Add(path, Concat("does not exist in version ", version_),
          Concat("use apiVersion ", JoinValues(rules.only_in())));
      return;
    }
    if (field.is_map()) {
      CheckCount(path, reflection.FieldSize(message, &field), rules, "entries");
    } else if (field.is_repeated()) {
      CheckList(message, field, rules, path);
    } else {
      CheckValue(message, field, -1, rules, path);
    }
  }

  void CheckCount(const std::string& path, int count, const v1::FieldRules& rules,
                  const char* what) {
    if (rules.has_min_items() && count < static_cast<int>(rules.min_items())) {
      Add(path, Concat("has ", std::to_string(count), " ", what, ", needs at least ",
                       std::to_string(rules.min_items())));
    }
    if (rules.has_max_items() && count > static_cast<int>(rules.max_items())) {
      Add(path, Concat("has ", std::to_string(count), " ", what, ", at most ",
                       std::to_string(rules.max_items()), " are allowed"));
    }
  }

  void CheckList(const Message& message, const FieldDescriptor& field, const v1::FieldRules& rules,
                 const std::string& path) {
    const int count = message.GetReflection()->FieldSize(message, &field);
    CheckCount(path, count, rules, "items");
    for (int i = 0; i < count; ++i) {
      CheckValue(message, field, i, rules, Concat(path, "[", std::to_string(i), "]"));
    }
    if (!rules.unique_by().empty()) CheckUnique(message, field, rules, path);
    if (rules.unique_items()) CheckUniqueItems(message, field, path);
  }

  void CheckUniqueItems(const Message& message, const FieldDescriptor& field,
                        const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    std::map<std::string, int> seen;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const std::string item =
          field.cpp_type() == FieldDescriptor::CPPTYPE_STRING
              ? reflection.GetRepeatedString(message, &field, i)
              : std::to_string(reflection.GetRepeatedInt32(message, &field, i));
      const auto [first, is_new] = seen.emplace(item, i);
      if (is_new) continue;
      Add(Concat(path, "[", std::to_string(i), "]"),
          Concat(Quoted(item), " stands twice, first as item ", std::to_string(first->second)),
          "each may stand once");
    }
  }

  void CheckUnique(const Message& message, const FieldDescriptor& field,
                   const v1::FieldRules& rules, const std::string& path) {
    std::map<std::string, int> seen;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      const Message& item = message.GetReflection()->GetRepeatedMessage(message, &field, i);
      std::string key;
      for (const std::string& name : rules.unique_by()) {
        const FieldDescriptor* const part = item.GetDescriptor()->FindFieldByName(name);
        key += item.GetReflection()->GetString(item, part) + "\n";
      }
      const auto [first, is_new] = seen.emplace(key, i);
      if (!is_new) {
        Add(Concat(path, "[", std::to_string(i), "]"),
            Concat("has the same ", JoinValues(rules.unique_by()), " as item ",
                   std::to_string(first->second)),
            "each may stand once");
      }
    }
  }

  // index -1: a single field.
  void CheckValue(const Message& message, const FieldDescriptor& field, int index,
                  const v1::FieldRules& rules, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Check(index < 0 ? reflection.GetMessage(message, &field)
                        : reflection.GetRepeatedMessage(message, &field, index),
              path);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        if (field.type() == FieldDescriptor::TYPE_BYTES) break;
        CheckString(index < 0 ? reflection.GetString(message, &field)
                              : reflection.GetRepeatedString(message, &field, index),
                    rules, path);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        CheckNumber(index < 0 ? reflection.GetInt32(message, &field)
                              : reflection.GetRepeatedInt32(message, &field, index),
                    rules, path);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        CheckNumber(reflection.GetInt64(message, &field), rules, path);
        break;
      default:
        break;
    }
  }

  void CheckString(const std::string& value, const v1::FieldRules& rules, const std::string& path) {
    const size_t size = Characters(value);
    if (rules.has_min_length() && size < rules.min_length()) {
      Add(path, value.empty() ? "must not be empty"
                              : Concat("must have at least ", std::to_string(rules.min_length()),
                                       " characters"));
      return;
    }
    if (rules.has_max_length() && size > rules.max_length()) {
      Add(path, Concat("has ", std::to_string(size), " characters, at most ",
                       std::to_string(rules.max_length()), " are allowed"));
      return;
    }
    if (!rules.values().empty() &&
        std::find(rules.values().begin(), rules.values().end(), value) == rules.values().end()) {
      Add(path, Concat(Quoted(value), " is not allowed"),
          Concat("use one of ", JoinValues(rules.values())));
      return;
    }
    if (!rules.pattern().empty() && !MatchesPattern(rules.pattern(), value)) {
      Add(path, Concat(Quoted(value), " is malformed"), Concat("must match ", rules.pattern()));
    }
  }

  void CheckNumber(int64_t value, const v1::FieldRules& rules, const std::string& path) {
    if ((rules.has_minimum() && value < rules.minimum()) ||
        (rules.has_maximum() && value > rules.maximum())) {
      const std::string range =
          !rules.has_maximum()   ? Concat("must be at least ", std::to_string(rules.minimum()))
          : !rules.has_minimum() ? Concat("must be at most ", std::to_string(rules.maximum()))
                                 : Concat("must be between ", std::to_string(rules.minimum()),
                                          " and ", std::to_string(rules.maximum()));
      Add(path, Concat(std::to_string(value), " is out of range: ", range));
    }
  }

  const std::string_view version_;
  std::vector<FieldIssue>& issues_;
};

void SetDefault(Message& message, const FieldDescriptor& field, const std::string& value) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(&message, &field, value);
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      reflection.SetInt32(&message, &field, std::stoi(value));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      reflection.SetBool(&message, &field, value == "true");
      break;
    default:
      break;
  }
}

}  // namespace

bool MatchesPattern(const std::string& pattern, std::string_view text) {
  static std::mutex mutex;
  static auto* const patterns = new std::map<std::string, std::unique_ptr<RE2>>();
  const RE2* expression = nullptr;
  {
    const std::lock_guard lock(mutex);
    std::unique_ptr<RE2>& slot = (*patterns)[pattern];
    if (slot == nullptr) slot = std::make_unique<RE2>(pattern, RE2::Quiet);
    expression = slot.get();
  }
  return expression->ok() &&
         RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *expression);
}

void CheckFields(const Message& message, const std::string& path, std::string_view version,
                 std::vector<FieldIssue>& issues) {
  Walker(version, issues).Check(message, path);
}

void FillDefaults(Message& message) {
  const auto* const descriptor = message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  if (descriptor->file()->package() == "google.protobuf") return;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    if (field.is_map()) continue;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field.is_repeated()) {
        for (int j = 0; j < reflection.FieldSize(message, &field); ++j) {
          FillDefaults(*reflection.MutableRepeatedMessage(&message, &field, j));
        }
      } else if (reflection.HasField(message, &field) && field.name() != "status") {
        FillDefaults(*reflection.MutableMessage(&message, &field));
      }
      continue;
    }
    const v1::FieldRules& rules = RulesOf(field);
    if (field.is_repeated() || reflection.HasField(message, &field)) continue;
    if (rules.has_default_value()) SetDefault(message, field, rules.default_value());
  }
}

}  // namespace apk

// Members stand in a fixed order, so that lines can be read without a program, too.
#include "control-plane/audit/audit_entry.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "common/time_format.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kObjectsMax = 1000;

const char* WordFor(v1::ObjectResult::Action action) {
  switch (action) {
    case v1::ObjectResult::CREATED:
      return "created";
    case v1::ObjectResult::CONFIGURED:
      return "configured";
    case v1::ObjectResult::DELETED:
      return "deleted";
    default:
      return "";
  }
}

Json ToJson(const v1::ObjectResult& result) {
  const v1::ObjectKey& key = result.key();
  Json object;
  if (!key.group().empty()) object["group"] = key.group();
  object["kind"] = key.kind();
  if (!key.namespace_().empty()) object["namespace"] = key.namespace_();
  object["name"] = key.name();
  if (const std::string action = WordFor(result.action()); !action.empty()) {
    object["action"] = action;
  }
  for (const std::string& path : result.changed_fields()) object["fields"].push_back(path);
  return object;
}

void AddObjects(const AuditEntry& entry, Json& line) {
  size_t unchanged = 0;
  size_t more = 0;
  for (const v1::ObjectResult& result : entry.objects) {
    if (result.action() == v1::ObjectResult::UNCHANGED) {
      ++unchanged;
    } else if (line.contains("objects") && line["objects"].size() == kObjectsMax) {
      ++more;
    } else {
      line["objects"].push_back(ToJson(result));
    }
  }
  if (more > 0) line["moreObjects"] = more;
  if (unchanged > 0) line["unchanged"] = unchanged;
}

bool HasSecret(const AuditEntry& entry) {
  for (const v1::ObjectResult& result : entry.objects) {
    if (result.key().kind() == "Secret") return true;
  }
  return false;
}

}  // namespace

std::string ToLine(const AuditEntry& entry) {
  Json line{{"time", entry.time}, {"user", entry.user}, {"address", entry.address},
            {"api", entry.api},   {"verb", entry.verb}, {"result", entry.result}};
  if (entry.revision != 0) line["revision"] = entry.revision;
  if (!entry.message.empty() && !HasSecret(entry)) line["message"] = entry.message;
  AddObjects(entry, line);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ResultWord(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return "OK";
    case absl::StatusCode::kPermissionDenied:
      return "Forbidden";
    case absl::StatusCode::kUnauthenticated:
      return "Unauthorized";
    case absl::StatusCode::kNotFound:
      return "NotFound";
    case absl::StatusCode::kAborted:
      return "Conflict";
    case absl::StatusCode::kInvalidArgument:
      return "BadRequest";
    case absl::StatusCode::kUnavailable:
      return "ServiceUnavailable";
    default:
      return absl::StatusCodeToString(code);
  }
}

v1::ObjectResult ForAudit(const v1::ObjectResult& result) {
  v1::ObjectResult noted;
  *noted.mutable_key() = result.key();
  noted.set_action(result.action());
  *noted.mutable_changed_fields() = result.changed_fields();
  return noted;
}

std::string AuditTimeNow() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(ms % 1000));
  std::string text = Rfc3339(static_cast<std::time_t>(ms / 1000));
  text.pop_back();  // The Z.
  return text + fraction;
}

}  // namespace apk

// What is answered, and the Status objects that say why not. Pure.
#pragma once

#include <absl/status/status.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

struct ApiReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::string> warnings;  // kubectl prints each.
  // Of a write: what it did, or would have done.
  std::optional<v1::ObjectResult> change = {};
  uint64_t revision = 0;
  bool dry_run = false;
};

ApiReply JsonReply(const nlohmann::ordered_json& object, int status = 200);
// As JSON; what is no UTF-8 is replaced.
std::string Dump(const nlohmann::ordered_json& object);

// An error that carries a Status object of its own: `reason` and `code` are those of Kubernetes,
// for example 415 UnsupportedMediaType. `details` may be null.
absl::Status ApiError(int code, const std::string& reason, const std::string& message);
absl::Status ApiError(int code, const std::string& reason, const std::string& message,
                      const nlohmann::ordered_json& details);
// The Status object of any error, by its code where it carries none.
nlohmann::ordered_json StatusObject(const absl::Status& error);
ApiReply ErrorReply(const absl::Status& error);

// One thing that is wrong with an object, and where.
struct FieldCause {
  std::string field_path;  // "spec.rules[0].matches[0].path.value"; "" for the whole object.
  std::string message;
};
// 422 Invalid: its message names each field and what is wrong there.
absl::Status InvalidObject(const Kind& kind, const std::string& name,
                           const std::vector<FieldCause>& causes);
// Of what an apply of one object was refused with. REQUIRES: an error is among the violations.
absl::Status RefusedApply(const ResourceKey& key, const v1::ApplyResponse& response);
absl::Status NotFound(const ResourceKey& key);

}  // namespace apk

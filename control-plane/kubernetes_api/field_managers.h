// Who manages which fields of an object, as Kubernetes' server-side apply has it: who applied a
// field owns it, and an update takes what it changes. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "apk/v1/meta.pb.h"
#include "control-plane/kubernetes_api/field_set.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {

struct FieldManager {
  std::string name;
  std::string operation;  // Apply, Update
  std::string api_version;
  std::string time;  // RFC 3339, of the last change of `fields`.
  FieldSet fields;
};
using FieldManagers = std::vector<FieldManager>;

FieldManagers ManagersOf(const v1::ObjectMeta& metadata);
// From the JSON of an object that a client sent back; what is malformed is left out.
FieldManagers ManagersIn(const nlohmann::ordered_json& object);
void SetManagers(const FieldManagers& managers, v1::ObjectMeta& metadata);

// After an update by `updater`, whose `fields` don't count: it owns what it changed, and nobody
// owns what is gone. `before` is null for a new object.
FieldManagers AfterUpdate(FieldManagers managers, FieldManager updater,
                          const nlohmann::ordered_json& before, const nlohmann::ordered_json& after,
                          const Kind& kind);

// What a server-side apply makes of an object.
struct FieldsApplied {
  nlohmann::ordered_json object;
  FieldManagers managers;
};
// `applier` has the fields of `applied` from now on, and what it had before and no longer applies
// is removed where nobody else owns it. `changed` are the fields that the apply would change: 409
// Conflict where others own some of them, unless `force`.
absl::StatusOr<FieldsApplied> ApplyFields(const nlohmann::ordered_json& live,
                                          FieldManagers managers,
                                          const nlohmann::ordered_json& applied,
                                          const FieldSet& changed, FieldManager applier, bool force,
                                          const Kind& kind);

}  // namespace apk

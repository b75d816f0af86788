// An object that nobody is known to manage has a manager all the same: who was there before.
#include "control-plane/kubernetes_api/field_managers.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "common/strings.h"
#include "control-plane/kubernetes_api/reply.h"
#include "control-plane/resources/json.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kApply[] = "Apply";
constexpr char kUpdate[] = "Update";
constexpr char kBeforeFirstApply[] = "before-first-apply";

std::string TextIn(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string() ? object[name].get<std::string>() : "";
}

bool IsSame(const FieldManager& a, const FieldManager& b) {
  return a.name == b.name && a.operation == b.operation;
}

FieldManager* Find(FieldManagers& managers, const FieldManager& wanted) {
  for (FieldManager& manager : managers) {
    if (IsSame(manager, wanted)) return &manager;
  }
  return nullptr;
}

// The time is that of the last change of what is owned.
void SetFields(FieldManagers& managers, FieldManager owner) {
  FieldManager* const known = Find(managers, owner);
  if (known == nullptr) {
    managers.push_back(std::move(owner));
  } else if (nlohmann::json(known->fields) != nlohmann::json(owner.fields)) {
    *known = std::move(owner);
  }
}

void DropEmpty(FieldManagers& managers) {
  std::erase_if(managers, [](const FieldManager& manager) { return manager.fields.empty(); });
}

absl::Status ConflictError(const std::vector<std::pair<std::string, std::string>>& conflicts) {
  std::vector<std::string> messages;
  Json details{{"causes", Json::array()}};
  for (const auto& [message, path] : conflicts) {
    messages.push_back(Concat(message, ": ", path));
    details["causes"].push_back(
        {{"reason", "FieldManagerConflict"}, {"message", message}, {"field", path}});
  }
  return ApiError(
      409, "Conflict",
      Concat("Apply failed with ", std::to_string(conflicts.size()),
             conflicts.size() == 1 ? " conflict: " : " conflicts: ", Join(messages, ", ")),
      details);
}

}  // namespace

FieldManagers ManagersOf(const v1::ObjectMeta& metadata) {
  FieldManagers managers;
  for (const v1::ManagedFields& entry : metadata.managed_fields()) {
    managers.push_back({entry.manager(), entry.operation(), entry.api_version(), entry.time(),
                        ToJson(entry.fields_v1())});
  }
  return managers;
}

FieldManagers ManagersIn(const Json& object) {
  FieldManagers managers;
  for (const Json& entry : object["metadata"]["managedFields"]) {
    if (!entry.is_object() || !entry.contains("fieldsV1") || !entry["fieldsV1"].is_object())
      continue;
    managers.push_back({TextIn(entry, "manager"), TextIn(entry, "operation"),
                        TextIn(entry, "apiVersion"), TextIn(entry, "time"), entry["fieldsV1"]});
  }
  return managers;
}

void SetManagers(const FieldManagers& managers, v1::ObjectMeta& metadata) {
  metadata.clear_managed_fields();
  for (const FieldManager& manager : managers) {
    v1::ManagedFields* const entry = metadata.add_managed_fields();
    entry->set_manager(manager.name);
    entry->set_operation(manager.operation);
    entry->set_api_version(manager.api_version);
    entry->set_time(manager.time);
    entry->set_fields_type("FieldsV1");
    // A tree of names always is a Struct.
    static_cast<void>(google::protobuf::util::JsonStringToMessage(Dump(manager.fields),
                                                                  entry->mutable_fields_v1()));
  }
}

FieldManagers AfterUpdate(FieldManagers managers, FieldManager updater, const Json& before,
                          const Json& after, const Kind& kind) {
  const FieldSet there = FieldsOf(after, *kind.descriptor);
  const FieldSet changed =
      before.is_null() ? there : ChangedFields(before, after, *kind.descriptor);
  updater.operation = kUpdate;
  updater.fields = changed;
  for (FieldManager& manager : managers) {
    FieldSet fields = Intersection(manager.fields, there);
    if (IsSame(manager, updater)) {
      updater.fields = Union(std::move(fields), changed);
    } else {
      manager.fields = Minus(fields, changed);
    }
  }
  SetFields(managers, std::move(updater));
  DropEmpty(managers);
  return managers;
}

absl::StatusOr<FieldsApplied> ApplyFields(const Json& live, FieldManagers managers,
                                          const Json& applied, const FieldSet& changed,
                                          FieldManager applier, bool force, const Kind& kind) {
  const FieldSet there = FieldsOf(live, *kind.descriptor);
  applier.operation = kApply;
  applier.fields = FieldsOf(applied, *kind.descriptor);
  if (managers.empty()) {
    managers.push_back({kBeforeFirstApply, kUpdate, applier.api_version, applier.time, there});
  }
  std::vector<std::pair<std::string, std::string>> conflicts;
  FieldSet kept = applier.fields;
  FieldSet mine_before = FieldSet::object();
  for (FieldManager& manager : managers) {
    if (IsSame(manager, applier)) {
      mine_before = manager.fields;
      continue;
    }
    const FieldSet common =
        Intersection(Intersection(Intersection(applier.fields, changed), manager.fields), there);
    for (const std::string& path : PathsOf(common)) {
      conflicts.emplace_back(
          Concat("conflict with \"", manager.name, "\" using ", manager.api_version), path);
    }
    if (force) manager.fields = Minus(manager.fields, common);
    kept = Union(std::move(kept), manager.fields);
  }
  if (!conflicts.empty() && !force) return ConflictError(conflicts);
  FieldsApplied result;
  const FieldSet given_up = Minus(mine_before, applier.fields);
  result.object =
      WithFields(WithoutFields(live, given_up, kept, *kind.descriptor), applied, *kind.descriptor);
  SetFields(managers, std::move(applier));
  DropEmpty(managers);
  result.managers = std::move(managers);
  return result;
}

}  // namespace apk

// Which list is merged by what stands in Kubernetes' types; here are those of the kinds we have.
#include "control-plane/kubernetes_api/strategic_merge.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSetOrder = "$setElementOrder/";
constexpr std::string_view kDeleteFrom = "$deleteFromPrimitiveList/";

// "" where a list of that name is replaced as a whole.
std::string MergeKeyOf(std::string_view parent, std::string_view list) {
  if (list == "ports" && parent == "spec") return "port";  // Of a Service.
  if (list == "ownerReferences") return "uid";
  if (list == "conditions") return "type";
  return "";
}

// Lists of plain values that are merged: the patch adds to them.
bool IsMergedSet(std::string_view parent, std::string_view list) {
  return list == "finalizers" && parent == "metadata";
}

absl::StatusOr<Json> MergeObject(std::string_view name, Json present, const Json& patch);

Json::iterator FindByKey(Json& list, const std::string& key, const Json& value) {
  return std::find_if(list.begin(), list.end(), [&](const Json& item) {
    return item.is_object() && item.contains(key) && item[key] == value;
  });
}

// Items in the order that the patch asks for; those it doesn't name keep their place at the end.
void Reorder(const Json& order, const std::string& key, Json& list) {
  Json sorted = Json::array();
  for (const Json& wanted : order) {
    const Json* const value = key.empty()                                  ? &wanted
                              : wanted.is_object() && wanted.contains(key) ? &wanted[key]
                                                                           : nullptr;
    if (value == nullptr) continue;
    const auto found =
        key.empty() ? std::find(list.begin(), list.end(), *value) : FindByKey(list, key, *value);
    if (found == list.end()) continue;
    sorted.push_back(*found);
    list.erase(found);
  }
  for (Json& item : list) sorted.push_back(std::move(item));
  list = std::move(sorted);
}

absl::StatusOr<Json> MergeList(const std::string& key, Json present, const Json& patch) {
  if (!present.is_array()) present = Json::array();
  for (const Json& item : patch) {
    if (item.is_object() && item.value("$patch", "") == "replace") {
      Json replaced = Json::array();
      for (const Json& other : patch) {
        if (!other.contains("$patch")) replaced.push_back(other);
      }
      return replaced;
    }
  }
  for (const Json& item : patch) {
    if (!item.is_object() || !item.contains(key)) {
      return absl::InvalidArgumentError(
          Concat("an item of a list that is merged by \"", key, "\" has no such field"));
    }
    const auto found = FindByKey(present, key, item[key]);
    if (item.value("$patch", "") == "delete") {
      if (found != present.end()) present.erase(found);
    } else if (found == present.end()) {
      present.push_back(item);
    } else {
      ASSIGN_OR_RETURN(*found, MergeObject("", std::move(*found), item));
    }
  }
  return present;
}

Json AddToSet(Json present, const Json& patch) {
  if (!present.is_array()) present = Json::array();
  for (const Json& item : patch) {
    if (std::find(present.begin(), present.end(), item) == present.end()) present.push_back(item);
  }
  return present;
}

void RemoveFromSet(const Json& removed, Json& list) {
  Json kept = Json::array();
  for (Json& item : list) {
    if (std::find(removed.begin(), removed.end(), item) == removed.end()) {
      kept.push_back(std::move(item));
    }
  }
  list = std::move(kept);
}

absl::Status MergeField(std::string_view parent, const std::string& field, const Json& value,
                        Json& present) {
  const std::string key = MergeKeyOf(parent, field);
  if (value.is_null()) {
    present.erase(field);
  } else if (value.is_object()) {
    ASSIGN_OR_RETURN(present[field],
                     MergeObject(field, present.value(field, Json::object()), value));
  } else if (value.is_array() && !key.empty()) {
    ASSIGN_OR_RETURN(present[field], MergeList(key, present.value(field, Json::array()), value));
  } else if (value.is_array() && IsMergedSet(parent, field)) {
    present[field] = AddToSet(present.value(field, Json::array()), value);
  } else {
    present[field] = value;
  }
  return absl::OkStatus();
}

// After the fields: directives are about what these have made.
absl::Status Direct(std::string_view parent, const std::string& directive, const Json& value,
                    Json& present) {
  if (directive == "$patch") return absl::OkStatus();
  const bool set_order = directive.starts_with(kSetOrder);
  const bool delete_from = directive.starts_with(kDeleteFrom);
  if (!value.is_array() || (!set_order && !delete_from && directive != "$retainKeys")) {
    return absl::InvalidArgumentError(Concat("the patch's directive ", directive, " has no sense"));
  }
  if (directive == "$retainKeys") {
    Json kept = Json::object();
    for (auto& [field, member] : present.items()) {
      if (std::find(value.begin(), value.end(), Json(field)) != value.end()) kept[field] = member;
    }
    present = std::move(kept);
    return absl::OkStatus();
  }
  const std::string list = directive.substr(set_order ? kSetOrder.size() : kDeleteFrom.size());
  if (!present.contains(list) || !present[list].is_array()) return absl::OkStatus();
  if (set_order) {
    Reorder(value, MergeKeyOf(parent, list), present[list]);
  } else {
    RemoveFromSet(value, present[list]);
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> MergeObject(std::string_view name, Json present, const Json& patch) {
  const std::string how = patch.contains("$patch") && patch["$patch"].is_string()
                              ? patch["$patch"].get<std::string>()
                              : "merge";
  if (how == "delete") return Json::object();
  if (how == "replace" || !present.is_object()) present = Json::object();
  for (const auto& [field, value] : patch.items()) {
    if (!field.starts_with('$')) RETURN_IF_ERROR(MergeField(name, field, value, present));
  }
  for (const auto& [field, value] : patch.items()) {
    if (field.starts_with('$')) RETURN_IF_ERROR(Direct(name, field, value, present));
  }
  return present;
}

}  // namespace

absl::StatusOr<Json> StrategicMerge(const Json& present, const Json& patch) {
  return MergeObject("", present, patch);
}

}  // namespace apk

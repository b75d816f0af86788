// Change-sets of ConfigMaps, which have a value and nothing else to say.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/core.pb.h"
#include "control-plane/store/log.h"

namespace apk {

inline Operation Put(const std::string& name, const std::string& value) {
  auto map = std::make_shared<v1::ConfigMap>();
  map->mutable_metadata()->set_namespace_("n");
  map->mutable_metadata()->set_name(name);
  (*map->mutable_data())["k"] = value;
  return {.key = KeyOf(*map), .object = map};
}

inline Operation Remove(const std::string& name) {
  Operation operation = Put(name, "");
  operation.object = nullptr;
  return operation;
}

inline ChangeSet Make(const std::string& id, std::vector<Operation> operations) {
  ChangeSet change_set;
  change_set.id = id;
  change_set.operations = std::move(operations);
  return change_set;
}

// "none" where there is no such map.
inline std::string ValueIn(const ResourceSet& resources, const std::string& name) {
  const auto* const map = resources.Find<v1::ConfigMap>("n", name);
  return map == nullptr ? "none" : map->data().at("k");
}

}  // namespace apk

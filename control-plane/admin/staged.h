// The next state while it is made; seen by configuration.cc and its neighbours alone.
#pragma once

#include <map>
#include <string>

#include "control-plane/admin/admission.h"
#include "control-plane/admin/changed_fields.h"
#include "control-plane/admin/configuration.h"

namespace apk {

// A candidate: the next state, not yet in force.
struct Configuration::Staged {
  ResourceSet resources;
  uint64_t revision = 0;
  std::map<ResourceKey, Operation> operations;
  SlicesPtr snapshot;

  void Put(const ResourceKey& key, ResourcePtr object) {
    operations[key] = Operation{.key = key, .object = object};
    resources.Put(std::move(object));
  }
  void Remove(const ResourceKey& key) {
    operations[key] = Operation{.key = key, .object = nullptr};
    resources.Remove(key);
  }
  // What is in a namespace goes with it.
  void RemoveAllIn(const std::string& namespace_name) {
    for (const ResourcePtr& object : resources.InNamespace(namespace_name)) {
      Remove(KeyOf(*object));
    }
  }
};

template <class Response>
v1::ObjectResult& Tell(const ResourceKey& key, v1::ObjectResult::Action action,
                       Response& response) {
  v1::ObjectResult& result = *response.add_results();
  *result.mutable_key() = ToProto(key);
  result.set_action(action);
  return result;
}

// Nothing where `before` is nullptr.
inline void TellChanges(const ResourcePtr& before, const google::protobuf::Message& after,
                        v1::ObjectResult& result) {
  if (before == nullptr) return;
  for (std::string& path : ChangedFields(*before, after)) {
    result.add_changed_fields(std::move(path));
  }
}

// `after` is nullptr where it was deleted.
inline Change ChangeOf(uint64_t revision, const ResourceKey& key, const ResourcePtr& before,
                       const ResourcePtr& after) {
  Change change;
  change.revision = revision;
  change.key = key;
  change.object = after == nullptr ? before : after;
  change.before = before;
  change.type = after == nullptr    ? v1::WatchEvent::DELETED
                : before == nullptr ? v1::WatchEvent::ADDED
                                    : v1::WatchEvent::MODIFIED;
  return change;
}

// Marks the status of a commit that another control plane was faster than.
inline constexpr char kLostRace[] = "apk/lost-race";

}  // namespace apk

// Statuses of what is not a route, written where they are others than before. Pure.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "apk/v1/backend.pb.h"
#include "control-plane/resources/object_bytes.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/route_status.h"
#include "control-plane/translation/snapshot_slices.h"
#include "control-plane/translation/translate.h"

namespace apk {

// What agents refuse of an object is a condition of it, or of each of its parents.
template <class Object, class Status>
void AddHeld(const Object& object, const std::string& message, const std::string& now,
             Status& status) {
  if constexpr (std::is_same_v<Status, v1::RouteStatus>) {
    AddRefusal(ViewOf(object), message, now, status);
  } else if constexpr (requires { status.mutable_conditions(); }) {
    const ConditionScope scope{.generation = object.metadata().generation(),
                               .now = &now,
                               .previous = &object.status().conditions()};
    SetCondition(scope, "Programmed", false, kRefusedReason, message, status.mutable_conditions());
  }
}

// Conditions keep their time where their status stayed, so equal means equal. Returns the object
// that has the status.
template <class Object, class Status>
const Object* UpdateStatus(const Object& object, Status status, Translation& translation) {
  if (!translation.held->empty()) {
    const auto held = translation.held->find(KeyOf(object));
    if (held != translation.held->end()) AddHeld(object, held->second, *translation.now, status);
  }
  if (SameMessage(object.status(), status)) return &object;
  auto updated = std::make_shared<Object>(object);
  *updated->mutable_status() = std::move(status);
  updated->mutable_metadata()->set_resource_version(
      std::to_string(translation.snapshot.revision()));
  const Object* const result = updated.get();
  translation.status_updates.push_back(std::move(updated));
  return result;
}

void UpdateApis(const ApiBindings& apis, const std::string& now, Translation& translation);
void UpdateClasses(const ResourceSet& resources, const std::string& now, Translation& translation);
// `slices`: of the snapshot that was made.
void UpdateGateways(const std::vector<GatewayState>& gateways, const FleetReport& fleet,
                    const SnapshotSlices& slices, const std::string& now, Translation& translation);
// Gateways that are not among `ours`.
void UpdateUnclaimed(const ResourceSet& resources, const std::vector<GatewayState>& ours,
                     Translation& translation);

v1::BackendStatus BackendStatusOf(const ResourceSet& resources, const v1::Backend& backend,
                                  const std::string& now);

}  // namespace apk

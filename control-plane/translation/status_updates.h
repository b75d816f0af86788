// Statuses of what is not a route, written where they are others than before. Pure.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/backend.pb.h"
#include "control-plane/resources/object_bytes.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/snapshot_slices.h"
#include "control-plane/translation/translate.h"

namespace apk {

// Conditions keep their time where their status stayed, so equal means equal. Returns the object
// that has the status.
template <class Object, class Status>
const Object* UpdateStatus(const Object& object, const Status& status, Translation& translation) {
  if (SameMessage(object.status(), status)) return &object;
  auto updated = std::make_shared<Object>(object);
  *updated->mutable_status() = status;
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

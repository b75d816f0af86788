// Resources by name; the version is the control plane's word for their sum.
#include "data-plane/agent/snapshot_builder.h"

namespace apk {

void SnapshotBuilder::Reset(const v1::Snapshot& snapshot) {
  resources_.clear();
  for (const v1::SnapshotResource& resource : snapshot.resources()) {
    resources_[resource.name()] = resource;
  }
}

v1::Snapshot SnapshotBuilder::Now() const {
  v1::Snapshot snapshot;
  for (const auto& [name, resource] : resources_) *snapshot.add_resources() = resource;
  return snapshot;
}

v1::Snapshot SnapshotBuilder::Next(const v1::DiscoveryResponse& response) const {
  std::map<std::string, v1::SnapshotResource> next;
  if (!response.full()) next = resources_;
  for (const std::string& name : response.removed()) next.erase(name);
  for (const v1::SnapshotResource& resource : response.resources())
    next[resource.name()] = resource;
  v1::Snapshot snapshot;
  snapshot.set_version(response.version());
  snapshot.set_revision(response.revision());
  snapshot.set_store(response.store());
  for (auto& [name, resource] : next) *snapshot.add_resources() = std::move(resource);
  return snapshot;
}

}  // namespace apk

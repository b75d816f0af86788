// Resources by name; the version is the control plane's word for their sum.
#include "data-plane/agent/snapshot_builder.h"

#include <absl/container/flat_hash_set.h>

#include "common/snapshot_version.h"

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

v1::HeldResources SnapshotBuilder::Held() const {
  v1::HeldResources held;
  for (const auto& [name, resource] : resources_) {
    held.add_fingerprints(FingerprintOf(resource.hash()));
  }
  return held;
}

absl::StatusOr<v1::Snapshot> SnapshotBuilder::Next(const v1::DiscoveryResponse& response) const {
  std::map<std::string, v1::SnapshotResource> next;
  if (!response.full()) next = resources_;
  if (response.removed_held_size() > 0) {
    const absl::flat_hash_set<uint64_t> removed(response.removed_held().begin(),
                                                response.removed_held().end());
    std::erase_if(next, [&](const auto& held) {
      return removed.contains(FingerprintOf(held.second.hash()));
    });
  }
  for (const std::string& name : response.removed()) next.erase(name);
  for (const v1::SnapshotResource& resource : response.resources())
    next[resource.name()] = resource;
  v1::Snapshot snapshot;
  snapshot.set_version(response.version());
  snapshot.set_revision(response.revision());
  snapshot.set_store(response.store());
  SnapshotVersion version;
  for (auto& [name, resource] : next) {
    version.Add(name, resource.hash());
    *snapshot.add_resources() = std::move(resource);
  }
  if (version.Finish() != response.version()) {
    return absl::DataLossError("the resources are not those of the version that was announced");
  }
  return snapshot;
}

}  // namespace apk

// What agents run, as the control plane keeps it: versions share the resources that they have in
// common. Immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "control-plane/resources/agent_selector.h"

namespace apk {

using SharedResource = std::shared_ptr<const v1::SnapshotResource>;

// A Gateway that is not for all agents.
struct GatewayScope {
  std::string gateway;  // namespace/name
  AgentSelector agents;

  bool operator==(const GatewayScope& other) const = default;
};

struct SharedSnapshot {
  std::string version;  // "" before the first.
  uint64_t revision = 0;
  std::vector<SharedResource> resources;  // Sorted by name, hashed.
  std::vector<GatewayScope> scopes;
  // What was held back as it was made, whether there was any of it or not: ids of HeldObjects.
  std::vector<uint64_t> held;

  // nullptr where there is none of that name.
  const SharedResource* Find(const std::string& name) const;
  v1::Snapshot ToProto() const;
};

using SnapshotPtr = std::shared_ptr<const SharedSnapshot>;

// With the hash that snapshot.proto defines; nullptr where there is no body.
SharedResource Seal(v1::SnapshotResource resource);
// The version of these resources, which are sorted by name and sealed.
std::string VersionOf(const std::vector<SharedResource>& resources);

}  // namespace apk

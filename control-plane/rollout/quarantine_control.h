// Keeps from agents what they refuse: finds the objects that are to blame, has everybody go on
// without them, and tries parts of a change at one agent where that can't name them. By the thread
// of RolloutControl, but for what is said otherwise.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "apk/v1/rollout.pb.h"
#include "apk/v1/store.pb.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/discovery/agent_registry.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/rollout/quarantine.h"
#include "control-plane/rollout/rollout_book.h"

namespace apk {

class QuarantineControl {
 public:
  // All outlive it.
  QuarantineControl(Configuration& configuration, SnapshotCache& snapshots, AgentRegistry& agents)
      : configuration_(configuration), snapshots_(snapshots), agents_(agents) {}

  // Has agents run what the store says. REQUIRES: the targets of a rollout are set.
  void Follow(const RolloutPage& page);
  // Has the objects that are to blame held back, or searched for. What was done, in words; "" where
  // nothing helps, and nothing is changed. REQUIRES: agents have refused what the rollout brought.
  std::string Blame(const v1::StoredRollout& failed, v1::StoredHeld& held);
  // What comes next, where this control plane leads; nullopt: nothing does.
  std::optional<v1::StoredHeld> Step(const RolloutPage& page);

  // On any thread: what of the newest revision is held back, for users and for conditions.
  std::vector<v1::HeldObject> Held(const RolloutPage& page) const;
  std::map<ResourceKey, std::string> Reasons(const RolloutPage& page) const;

 private:
  // Of a bisection.
  struct Trial {
    ResourceSet before;
    ResourceSet after;
    std::vector<ResourceKey> changes;
    std::string about;  // What the bisection is of, as bytes.
    std::string tried;  // The bisection that the slices are of, as bytes.
    SlicesPtr slices;
  };

  absl::StatusOr<ResourceSet> Resources(uint64_t revision,
                                        const google::protobuf::RepeatedField<uint64_t>& ids,
                                        const v1::StoredHeld& held);
  std::string HoldFound(const v1::StoredBisection& bisection, const ResourceSet& before,
                        const ResourceSet& after, const std::vector<ResourceKey>& changes,
                        const v1::StoredRollout& state, v1::StoredHeld& held);
  std::string Hold(const RefusedChange& change, const std::vector<RefusedObject>& objects,
                   const v1::StoredRollout& state, v1::StoredHeld& held);
  void SetTrial(const v1::StoredHeld& held);
  std::optional<v1::StoredHeld> StepTrial(const RolloutPage& page);
  v1::StoredHeld EndTrial(const RolloutPage& page);
  std::vector<uint64_t> Applying(const v1::StoredHeld& held) const;

  Configuration& configuration_;
  SnapshotCache& snapshots_;
  AgentRegistry& agents_;
  std::optional<Trial> trial_;
};

}  // namespace apk

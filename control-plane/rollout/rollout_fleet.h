// What agents say, as a rollout sees it. By one thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/rollout/rollout.h"

namespace apk {

// An agent, given the two snapshots that it may be about; both may be nullptr. Its traffic is what
// it has told.
RolloutAgent SeeAgent(const v1::AgentStatus& status, const SlicesPtr& promoted,
                      const SlicesPtr& candidate);

// What agents answered since a stage began, as far as it was seen here.
class StageTraffic {
 public:
  // Members keep what they have told: that is since they run the rollout's revision.
  void Cut(const v1::StoredRollout& state, std::vector<RolloutAgent>& agents);

 private:
  std::pair<uint64_t, uint32_t> stage_;       // Number of the rollout, and its stage.
  std::map<std::string, v1::Traffic> begun_;  // By agent: what it had answered then.
};

}  // namespace apk

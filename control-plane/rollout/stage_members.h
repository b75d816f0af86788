// Which agents a stage takes in. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/rollout/rollout.h"

namespace apk {

// The agents that the stage adds to those that are members already; all of them connected. By
// share: so many that members come to it, one at least, in an order that is another in each
// rollout; those that the revision concerns before others. `number`: of the rollout.
std::vector<const RolloutAgent*> ChooseMembers(const RolloutPlan::Stage& stage, uint64_t number,
                                               const v1::StoredRollout& state,
                                               const std::vector<RolloutAgent>& agents);

}  // namespace apk

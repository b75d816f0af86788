// Whether the agents that have a change do worse than they may. Pure.
#pragma once

#include <optional>
#include <string>

#include "apk/v1/traffic.pb.h"
#include "control-plane/rollout/rollout_plan.h"

namespace apk {

void Add(const v1::Traffic& traffic, v1::Traffic& sum);

// What `rule` has against `canaries`, of whose requests `errors` went wrong; nullopt: nothing, or
// there are too few requests to say. `what` names the errors. Without requests of the baseline,
// nothing is said over it.
std::optional<std::string> JudgeRate(const RolloutPlan::ErrorRule& rule, std::string_view what,
                                     uint64_t (v1::Traffic::*errors)() const,
                                     const v1::Traffic& canaries, const v1::Traffic& baseline);

// By both rules of the plan.
std::optional<std::string> JudgeRates(const RolloutPlan& plan, const v1::Traffic& canaries,
                                      const v1::Traffic& baseline);

// Enough requests for a rule of the plan to compare with.
bool IsBaseline(const RolloutPlan& plan, const v1::Traffic& traffic);

}  // namespace apk

// A policy as rollouts go by it: checked, and with what it leaves out. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/rollout.pb.h"
#include "control-plane/resources/label_selector.h"

namespace apk {

struct RolloutPlan {
  struct Stage {
    std::string name;
    std::optional<LabelSelector> selector;  // Else it goes by the share.
    double share = 1;                       // Of all agents: above 0, at most 1.
    std::chrono::milliseconds soak{0};
    std::chrono::milliseconds timeout{0};
  };
  // Shares, from 0 to 1.
  struct ErrorRule {
    std::optional<double> max;
    std::optional<double> over_baseline;
    uint64_t requests_min = 0;

    bool empty() const { return !max.has_value() && !over_baseline.has_value(); }
  };

  std::vector<Stage> stages;  // The last one has all agents. Empty: there are no rollouts.
  ErrorRule error_rate;
  ErrorRule gateway_error_rate;
  bool restarts = true;  // A new revision takes the place of one that is under way.
  bool holds = false;    // What is refused is held back, and the rest goes on.
};

// INVALID_ARGUMENT names the field: "stages[1].share: …".
absl::StatusOr<RolloutPlan> ParsePolicy(const v1::RolloutPolicy& policy);

}  // namespace apk

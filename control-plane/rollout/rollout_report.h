// A rollout as users are told of it. Pure.
#pragma once

#include "apk/v1/rollout.pb.h"
#include "apk/v1/store.pb.h"
#include "control-plane/rollout/rollout.h"

namespace apk {

v1::Rollout ToProto(const v1::StoredRollout& state);
// With what is seen of the fleet while it is under way.
v1::RolloutStatus StatusOf(const v1::StoredRollout& state, bool has_policy,
                           const RolloutView& view);

}  // namespace apk

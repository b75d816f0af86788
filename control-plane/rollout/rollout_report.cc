// Field by field.
#include "control-plane/rollout/rollout_report.h"

#include <map>

#include "common/time_format.h"

namespace apk {
namespace {

const char* StateOf(const v1::StoredRollout& state, uint32_t stage) {
  if (stage < state.stage()) return "Done";
  if (stage > state.stage() || !state.chosen()) return "Pending";
  return state.acknowledged_ms() == 0 ? "Sending" : "Soaking";
}

void AddStages(const v1::StoredRollout& state, const RolloutView& view, v1::RolloutStatus& status) {
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy(state.policy());
  if (!plan.ok()) return;
  std::map<uint64_t, const RolloutAgent*> connected;
  for (const RolloutAgent& agent : view.agents) connected[AgentKey(agent.id)] = &agent;
  for (uint32_t i = 0; i < plan->stages.size(); ++i) {
    v1::RolloutStageStatus& stage = *status.add_stages();
    stage.set_name(plan->stages[i].name);
    stage.set_state(StateOf(state, i));
    for (const v1::StoredRollout::Member& member : state.members()) {
      if (member.stage() != i) continue;
      stage.set_agents(stage.agents() + 1);
      const auto found = connected.find(member.agent());
      if (found == connected.end()) continue;
      stage.set_connected(stage.connected() + 1);
      if (found->second->runs_it) stage.set_running(stage.running() + 1);
    }
  }
}

}  // namespace

v1::Rollout ToProto(const v1::StoredRollout& state) {
  v1::Rollout rollout;
  rollout.set_number(state.number());
  rollout.set_revision(state.revision());
  rollout.set_from_revision(state.from_revision());
  rollout.set_state(StateName(state));
  rollout.set_reason(state.reason());
  rollout.set_started(Rfc3339(state.started_ms() / 1000));
  if (state.ended_ms() != 0) rollout.set_ended(Rfc3339(state.ended_ms() / 1000));
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy(state.policy());
  if (plan.ok() && state.stage() < plan->stages.size()) {
    rollout.set_stage(plan->stages[state.stage()].name);
  }
  *rollout.mutable_refusals() = state.refusals();
  return rollout;
}

v1::RolloutStatus StatusOf(const v1::StoredRollout& state, bool has_policy,
                           const RolloutView& view) {
  v1::RolloutStatus status;
  status.set_has_policy(has_policy);
  status.set_promoted_revision(state.promoted_revision());
  status.set_newest_revision(view.newest_revision);
  if (state.number() != 0) *status.mutable_rollout() = ToProto(state);
  if (!IsUnderWay(state)) return status;
  AddStages(state, view, status);
  status.set_waits_for(WaitsFor(state, view));
  *status.mutable_canaries() = CanaryTraffic(state, view.agents);
  *status.mutable_baseline() = OtherTraffic(state, view.agents);
  return status;
}

}  // namespace apk

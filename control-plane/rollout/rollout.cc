// Each kind of event has a function; Step asks them in the order of their weight.
#include "control-plane/rollout/rollout.h"

#include <algorithm>
#include <map>

#include "common/strings.h"
#include "control-plane/rollout/error_rate.h"
#include "control-plane/rollout/stage_members.h"

namespace apk {
namespace {

using State = v1::StoredRollout;

constexpr uint32_t kRestartsMax = 2;
constexpr int kRefusalsMax = 10;
constexpr size_t kOddShare = 20;  // One in so many.
// So far may the promoted revision lie behind one that is the same for agents: whoever starts
// translates it from the log, which does not reach back for ever.
constexpr uint64_t kLagMax = 100;
constexpr size_t kNamesMax = 3;  // In a message.

// A stored policy was parsed before it was stored.
RolloutPlan PlanOf(const v1::RolloutPolicy& policy) {
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy(policy);
  return plan.ok() ? *plan : RolloutPlan();
}

std::string Revision(uint64_t revision) { return Concat("revision ", std::to_string(revision)); }

State End(const State& state, State::State how, std::string reason, int64_t now_ms) {
  State ended = state;
  ended.set_state(how);
  ended.set_reason(std::move(reason));
  ended.set_ended_ms(now_ms);
  ended.set_paused_ms(0);
  ended.clear_members();
  ended.set_refused_ms(0);
  if (how == State::PROMOTED) {
    ended.set_promoted_revision(state.revision());
    *ended.mutable_promoted_held() = state.held();
  } else {
    ended.clear_refusals();  // Of odd ones.
    ended.set_withdrawn_revision(std::max(state.withdrawn_revision(), state.revision()));
  }
  return ended;
}

State Begin(const State& state, const v1::RolloutPolicy& policy, const RolloutView& view) {
  State next;
  next.set_number(state.number() + 1);
  next.set_state(State::PROGRESSING);
  next.set_promoted_revision(state.promoted_revision());
  next.set_from_revision(state.promoted_revision());
  *next.mutable_promoted_held() = state.promoted_held();
  next.mutable_held()->Assign(view.held.begin(), view.held.end());
  next.set_withdrawn_revision(state.withdrawn_revision());
  next.set_revision(view.newest_revision);
  next.set_started_ms(view.now_ms);
  next.set_stage_ms(view.now_ms);
  *next.mutable_policy() = policy;
  return next;
}

// What one stage has before its members are chosen.
void EnterStage(State& state, uint32_t stage, int64_t now_ms) {
  state.set_stage(stage);
  state.set_chosen(false);
  state.set_stage_ms(now_ms);
  state.set_acknowledged_ms(0);
  state.set_absent_ms(0);
}

void SetPromoted(const RolloutView& view, State& state) {
  state.set_promoted_revision(view.head_revision);
  state.mutable_promoted_held()->Assign(view.held.begin(), view.held.end());
}

State Advance(const State& state, const RolloutPlan& plan, int64_t now_ms) {
  if (state.stage() + 1 >= plan.stages.size()) return End(state, State::PROMOTED, "", now_ms);
  State next = state;
  EnterStage(next, state.stage() + 1, now_ms);
  return next;
}

// A member, and the agent where it is connected.
struct Seen {
  const State::Member* member = nullptr;
  const RolloutAgent* agent = nullptr;
};

std::vector<Seen> MembersSeen(const State& state, const std::vector<RolloutAgent>& agents) {
  std::map<uint64_t, const RolloutAgent*> by_key;
  for (const RolloutAgent& agent : agents) by_key[AgentKey(agent.id)] = &agent;
  std::vector<Seen> seen;
  for (const State::Member& member : state.members()) {
    const auto found = by_key.find(member.agent());
    seen.push_back({&member, found == by_key.end() ? nullptr : found->second});
  }
  return seen;
}

std::string TextOf(const v1::RolloutRefusal& refusal) {
  return Concat("agent ", refusal.agent(), ": ", refusal.resource(),
                refusal.resource().empty() ? "" : ": ", refusal.message());
}

// REQUIRES: one refuses it.
State FailByRefusal(const State& state, const std::vector<Seen>& members, int64_t now_ms) {
  State failed;
  int refusals = 0;
  for (const Seen& seen : members) {
    if (seen.agent == nullptr) continue;
    for (const v1::RolloutRefusal& refusal : seen.agent->refusals) {
      if (refusals++ == 0) failed = End(state, State::FAILED, TextOf(refusal), now_ms);
      if (refusals <= kRefusalsMax) *failed.add_refusals() = refusal;
    }
  }
  if (refusals > 1) {
    failed.set_reason(Concat(failed.reason(), ", and ", std::to_string(refusals - 1), " more"));
  }
  return failed;
}

// Where somebody refuses it: whether that ends it, or since when the others are waited for.
std::optional<State> HearMembers(const State& state, const RolloutPlan& plan,
                                 const std::vector<Seen>& members, int64_t now_ms) {
  Answers answers;
  for (const Seen& seen : members) {
    if (seen.agent == nullptr || !seen.agent->concerned) continue;
    const bool refuses = !seen.agent->refusals.empty();
    ++(refuses ? answers.refuse : seen.agent->runs_it ? answers.run : answers.pending);
  }
  const bool stops = !plan.holds && answers.refuse > 0;
  const Opinion opinion =
      stops ? Opinion::kRefused : OpinionOf(answers, state.refused_ms(), now_ms);
  if (opinion == Opinion::kRefused) return FailByRefusal(state, members, now_ms);
  const bool undecided = opinion == Opinion::kUndecided;
  const bool noted = opinion != Opinion::kOdd || !state.refusals().empty();
  if (undecided == (state.refused_ms() != 0) && noted) return std::nullopt;
  State next = state;
  next.set_refused_ms(undecided ? now_ms : 0);
  if (!noted) *next.mutable_refusals() = FailByRefusal(state, members, now_ms).refusals();
  return next;
}

// A process that begins anew has crashed, more likely than not where it does so again. Once is
// noted.
std::optional<State> NoteRestarts(const State& state, const std::vector<Seen>& members,
                                  int64_t now_ms) {
  State next = state;
  bool noted = false;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto& [member, agent] = members[i];
    if (agent == nullptr || agent->started_ms <= member->started_ms()) continue;
    State::Member& changed = *next.mutable_members(static_cast<int>(i));
    if (member->started_ms() != 0) changed.set_restarts(member->restarts() + 1);
    changed.set_started_ms(agent->started_ms);
    noted = true;
    if (changed.restarts() < kRestartsMax) continue;
    return End(state, State::FAILED,
               Concat("agent ", agent->id, ": it has started anew ", std::to_string(kRestartsMax),
                      " times since it was given ", Revision(state.revision())),
               now_ms);
  }
  return noted ? std::make_optional(next) : std::nullopt;
}

std::optional<State> FailByRate(const State& state, const RolloutPlan& plan,
                                const RolloutView& view) {
  v1::Traffic baseline = OtherTraffic(state, view.agents);
  if (!IsBaseline(plan, baseline)) baseline = state.baseline();
  const std::optional<std::string> verdict =
      JudgeRates(plan, CanaryTraffic(state, view.agents), baseline);
  if (!verdict.has_value()) return std::nullopt;
  return End(state, State::FAILED, *verdict, view.now_ms);
}

std::optional<State> Choose(const State& state, const RolloutPlan& plan, const RolloutView& view) {
  const RolloutPlan::Stage& stage = plan.stages[state.stage()];
  const auto chosen = ChooseMembers(stage, state.number(), state, view.agents);
  // Nobody who could try it is a reason to wait; that an earlier stage has them all is none.
  if (chosen.empty() && (state.members().empty() || view.agents.empty())) return std::nullopt;
  State next = state;
  for (const RolloutAgent* const agent : chosen) {
    State::Member& member = *next.add_members();
    member.set_agent(AgentKey(agent->id));
    member.set_started_ms(agent->started_ms);
    member.set_stage(state.stage());
  }
  next.set_chosen(true);
  next.set_stage_ms(view.now_ms);
  return next;
}

std::chrono::milliseconds SoakOf(const RolloutPlan& plan, const State& state) {
  return plan.stages[state.stage()].soak;
}

std::string Names(const std::vector<std::string>& names) {
  std::vector<std::string> first(
      names.begin(),
      names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesMax)));
  std::string text = Concat(names.size() == 1 ? "agent " : "agents ", Join(first, ", "));
  if (names.size() > kNamesMax) {
    text += Concat(" and ", std::to_string(names.size() - kNamesMax), " more");
  }
  return text;
}

std::vector<std::string> Behind(const std::vector<Seen>& members) {
  std::vector<std::string> behind;
  for (const Seen& seen : members) {
    const RolloutAgent* const agent = seen.agent;
    if (agent != nullptr && !agent->runs_it && agent->refusals.empty()) behind.push_back(agent->id);
  }
  return behind;
}

// Members answer, or are gone, within the stage's time.
std::optional<State> AwaitMembers(const State& state, const RolloutPlan& plan,
                                  const std::vector<Seen>& members, int64_t now_ms) {
  const int64_t timeout_ms = plan.stages[state.stage()].timeout.count();
  const bool absent = std::all_of(members.begin(), members.end(),
                                  [](const Seen& seen) { return seen.agent == nullptr; });
  State next = state;
  if (absent != (state.absent_ms() != 0)) {
    next.set_absent_ms(absent ? now_ms : 0);
    return next;
  }
  if (absent) {
    if (now_ms - state.absent_ms() < timeout_ms) return std::nullopt;
    return End(state, State::FAILED,
               Concat("no agent that was given ", Revision(state.revision()),
                      " is connected any more, for ", std::to_string(timeout_ms / 1000), " s"),
               now_ms);
  }
  const std::vector<std::string> behind = Behind(members);
  if (behind.empty() != (state.acknowledged_ms() != 0)) {
    next.set_acknowledged_ms(behind.empty() ? now_ms : 0);
    if (!behind.empty()) next.set_stage_ms(now_ms);
    return next;
  }
  if (behind.empty() || now_ms - state.stage_ms() < timeout_ms) return std::nullopt;
  return End(state, State::FAILED,
             Concat(Names(behind), behind.size() == 1 ? " has" : " have",
                    " not acknowledged it within ", std::to_string(timeout_ms / 1000), " s"),
             now_ms);
}

std::optional<State> StepStage(const State& state, const RolloutPlan& plan,
                               const RolloutView& view) {
  const std::vector<Seen> members = MembersSeen(state, view.agents);
  if (auto next = HearMembers(state, plan, members, view.now_ms)) return next;
  if (auto noted = NoteRestarts(state, members, view.now_ms)) return noted;
  if (auto failed = FailByRate(state, plan, view)) return failed;
  if (state.paused_ms() != 0) return std::nullopt;
  if (!state.chosen()) return Choose(state, plan, view);
  if (auto next = AwaitMembers(state, plan, members, view.now_ms)) return next;
  const bool due = state.acknowledged_ms() != 0 && state.absent_ms() == 0 &&
                   view.now_ms - state.acknowledged_ms() >= SoakOf(plan, state).count();
  if (!due) return std::nullopt;
  State next = Advance(state, plan, view.now_ms);
  if (const v1::Traffic others = OtherTraffic(state, view.agents); IsBaseline(plan, others)) {
    *next.mutable_baseline() = others;
  }
  return next;
}

absl::Status NothingUnderWay(const State& state) {
  if (state.number() == 0) return absl::FailedPreconditionError("there was no rollout yet");
  return absl::FailedPreconditionError(Concat("no rollout is under way: the last, ",
                                              std::to_string(state.number()), ", is ",
                                              StateName(state)));
}

void GoOn(State& state, int64_t now_ms) {
  if (state.paused_ms() == 0) return;
  const int64_t paused = std::max<int64_t>(0, now_ms - state.paused_ms());
  state.set_stage_ms(state.stage_ms() + paused);
  if (state.acknowledged_ms() != 0) state.set_acknowledged_ms(state.acknowledged_ms() + paused);
  if (state.absent_ms() != 0) state.set_absent_ms(state.absent_ms() + paused);
  state.set_paused_ms(0);
}

}  // namespace

std::optional<State> Step(const State& state, const v1::RolloutPolicy& policy,
                          const RolloutView& view) {
  if (state.promoted_revision() == 0) {  // The policy is new.
    if (view.head_revision == 0) return std::nullopt;
    State next = state;
    SetPromoted(view, next);
    return next;
  }
  if (IsUnderWay(state)) {
    if (view.newest_is_promoted) {
      return End(state, State::SUPERSEDED,
                 Concat(Revision(view.newest_revision), " is what agents ran before"), view.now_ms);
    }
    const RolloutPlan plan = PlanOf(state.policy());
    if (state.stage() >= plan.stages.size()) {
      return End(state, State::ABORTED, "its policy can't be read by this program", view.now_ms);
    }
    if (plan.restarts && !view.newest_is_candidate && state.paused_ms() == 0) {
      return End(state, State::SUPERSEDED,
                 Concat(Revision(view.newest_revision), " takes its place"), view.now_ms);
    }
    return StepStage(state, plan, view);
  }
  if (view.newest_is_promoted) {
    if (view.head_revision < state.promoted_revision() + kLagMax) return std::nullopt;
    State next = state;
    SetPromoted(view, next);
    return next;
  }
  const bool stopped = state.state() == State::FAILED || state.state() == State::ABORTED;
  if (stopped && view.newest_is_candidate) return std::nullopt;
  return Begin(state, policy, view);
}

std::optional<int64_t> NextStepMs(const State& state) {
  if (!IsUnderWay(state) || state.paused_ms() != 0 || !state.chosen()) return std::nullopt;
  const RolloutPlan plan = PlanOf(state.policy());
  if (state.stage() >= plan.stages.size()) return std::nullopt;
  const int64_t timeout_ms = plan.stages[state.stage()].timeout.count();
  if (state.refused_ms() != 0) return state.refused_ms() + kOpinionMs;
  if (state.absent_ms() != 0) return state.absent_ms() + timeout_ms;
  if (state.acknowledged_ms() != 0) return state.acknowledged_ms() + SoakOf(plan, state).count();
  return state.stage_ms() + timeout_ms;
}

absl::StatusOr<State> Promote(const State& state, const std::string& user, int64_t now_ms) {
  if (!IsUnderWay(state)) return NothingUnderWay(state);
  State next = state;
  GoOn(next, now_ms);
  next = Advance(next, PlanOf(state.policy()), now_ms);
  if (next.state() == State::PROMOTED) next.set_reason(Concat("promoted by ", user));
  return next;
}

absl::StatusOr<State> Pause(const State& state, int64_t now_ms) {
  if (!IsUnderWay(state)) return NothingUnderWay(state);
  if (state.paused_ms() != 0) return absl::FailedPreconditionError("it is paused already");
  State next = state;
  next.set_paused_ms(now_ms);
  return next;
}

absl::StatusOr<State> Resume(const State& state, int64_t now_ms) {
  if (!IsUnderWay(state)) return NothingUnderWay(state);
  if (state.paused_ms() == 0) return absl::FailedPreconditionError("it is not paused");
  State next = state;
  GoOn(next, now_ms);
  return next;
}

absl::StatusOr<State> Abort(const State& state, const std::string& user, int64_t now_ms) {
  if (!IsUnderWay(state)) return NothingUnderWay(state);
  return End(state, State::ABORTED, Concat("aborted by ", user), now_ms);
}

absl::StatusOr<State> Retry(const State& state, bool anything_held) {
  if (IsUnderWay(state)) {
    return absl::FailedPreconditionError(
        Concat("rollout ", std::to_string(state.number()), " is under way"));
  }
  if (state.state() != State::FAILED && state.state() != State::ABORTED && !anything_held) {
    return absl::FailedPreconditionError(
        "there is nothing to try again: no rollout was stopped, and nothing is held back");
  }
  State next = state;
  next.set_state(State::NONE);
  next.clear_reason();
  next.clear_refusals();
  return next;
}

absl::StatusOr<State> WithoutPolicy(const State& state, bool newest_is_promoted, bool force,
                                    int64_t now_ms) {
  const bool held_back = state.promoted_revision() != 0 && !newest_is_promoted;
  if (held_back && !force) {
    return absl::FailedPreconditionError(
        Concat("without a policy the newest revision, which rollout ",
               std::to_string(state.number()), " (", StateName(state),
               ") keeps from agents, would reach all of them at once: promote it or go back to ",
               Revision(state.promoted_revision()), " first, or force it"));
  }
  State next = state;
  if (IsUnderWay(state)) next = End(state, State::SUPERSEDED, "the policy was removed", now_ms);
  next.set_promoted_revision(0);
  next.clear_promoted_held();
  return next;
}

Opinion OpinionOf(const Answers& answers, int64_t refused_ms, int64_t now_ms) {
  if (answers.refuse == 0) return Opinion::kNone;
  const bool waits = refused_ms == 0 || now_ms - refused_ms < kOpinionMs;
  if (answers.pending > 0 && waits) return Opinion::kUndecided;
  const size_t odd_max = std::max<size_t>(1, (answers.refuse + answers.run) / kOddShare);
  const bool odd = answers.refuse <= odd_max && answers.run >= 2 * answers.refuse;
  return odd ? Opinion::kOdd : Opinion::kRefused;
}

bool IsUnderWay(const State& state) { return state.state() == State::PROGRESSING; }

std::string StateName(const State& state) {
  switch (state.state()) {
    case State::PROGRESSING:
      return state.paused_ms() != 0 ? "Paused" : "Progressing";
    case State::PROMOTED:
      return "Promoted";
    case State::FAILED:
      return "Failed";
    case State::ABORTED:
      return "Aborted";
    case State::SUPERSEDED:
      return "Superseded";
    default:
      return "None";
  }
}

v1::Traffic CanaryTraffic(const State& state, const std::vector<RolloutAgent>& agents) {
  v1::Traffic sum;
  for (const Seen& seen : MembersSeen(state, agents)) {
    const RolloutAgent* const agent = seen.agent;
    if (agent != nullptr && agent->runs_it && agent->concerned) Add(agent->traffic, sum);
  }
  return sum;
}

v1::Traffic OtherTraffic(const State& state, const std::vector<RolloutAgent>& agents) {
  std::map<uint64_t, bool> members;
  for (const State::Member& member : state.members()) members[member.agent()] = true;
  v1::Traffic sum;
  for (const RolloutAgent& agent : agents) {
    if (!members.contains(AgentKey(agent.id))) Add(agent.traffic, sum);
  }
  return sum;
}

std::string WaitsFor(const State& state, const RolloutView& view) {
  if (!IsUnderWay(state)) return "";
  const RolloutPlan plan = PlanOf(state.policy());
  if (state.stage() >= plan.stages.size()) return "";
  const RolloutPlan::Stage& stage = plan.stages[state.stage()];
  if (state.paused_ms() != 0) return "somebody to resume it";
  if (!state.chosen()) {
    if (view.agents.empty()) return "an agent to connect";
    if (!stage.selector.has_value()) return Concat("the agents of stage ", stage.name);
    return Concat("an agent of stage ", stage.name, " to connect: one with the labels ",
                  state.policy().stages(static_cast<int>(state.stage())).selector());
  }
  const std::vector<Seen> members = MembersSeen(state, view.agents);
  if (state.absent_ms() != 0) return "an agent that was given it to connect again";
  const std::vector<std::string> behind = Behind(members);
  if (!behind.empty()) return Concat(Names(behind), " to acknowledge it");
  const int64_t left_ms = state.acknowledged_ms() + stage.soak.count() - view.now_ms;
  if (left_ms <= 0) return "";
  return Concat("stage ", stage.name, " to run it for another ",
                std::to_string((left_ms + 999) / 1000), " s");
}

}  // namespace apk

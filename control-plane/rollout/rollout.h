// One rollout after the other as a state machine: what it is told in, the next state out. Pure: no
// clock, no fleet, no store. Whoever drives it writes each state before anything is done by it, so
// that another one can go on where it stood.
//
// A rollout brings a revision to the agents of one stage after the other. Where all of a stage that
// are connected run it, and are well with it for as long as the stage is to be watched, the next
// one is due. What speaks against it ends it: then everybody runs what was promoted before.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/rollout.pb.h"
#include "apk/v1/store.pb.h"
#include "apk/v1/traffic.pb.h"
#include "common/labels.h"
#include "control-plane/rollout/agent_key.h"
#include "control-plane/rollout/rollout_plan.h"

namespace apk {

// An agent that is connected.
struct RolloutAgent {
  std::string id;
  Labels labels;
  int64_t started_ms = 0;  // Its process; 0: it does not say.
  bool concerned = true;   // The rollout's revision is something else for it than the promoted one.
  bool runs_it = false;    // The rollout's revision.
  std::vector<v1::RolloutRefusal> refusals;  // What it has against that.
  // Of a member: since it runs it. Of another: what it answered with the promoted revision while
  // the stage was under way.
  v1::Traffic traffic;
};

struct RolloutView {
  int64_t now_ms = 0;            // Unix time.
  uint64_t head_revision = 0;    // The newest that there is.
  uint64_t newest_revision = 0;  // The first that is for agents what that is; and whether that is
                                 // the same as another.
  bool newest_is_promoted = false;
  bool newest_is_candidate = false;  // As the rollout's.
  std::vector<uint64_t> held{};      // What is held back of it: ids.
  std::vector<RolloutAgent> agents;
};

// The state that comes next, nullopt: there is nothing to do now. Ask again with it until then,
// with a view that fits it. `plan` is for rollouts that begin: it has stages.
std::optional<v1::StoredRollout> Step(const v1::StoredRollout& state,
                                      const v1::RolloutPolicy& policy, const RolloutView& view);

// When time alone may make a difference; nullopt: never.
std::optional<int64_t> NextStepMs(const v1::StoredRollout& state);

// What users do to it. FAILED_PRECONDITION where there is nothing to do it to.
absl::StatusOr<v1::StoredRollout> Promote(const v1::StoredRollout& state, const std::string& user,
                                          int64_t now_ms);
absl::StatusOr<v1::StoredRollout> Pause(const v1::StoredRollout& state, int64_t now_ms);
absl::StatusOr<v1::StoredRollout> Resume(const v1::StoredRollout& state, int64_t now_ms);
absl::StatusOr<v1::StoredRollout> Abort(const v1::StoredRollout& state, const std::string& user,
                                        int64_t now_ms);
absl::StatusOr<v1::StoredRollout> Retry(const v1::StoredRollout& state, bool anything_held);
// There are to be no more: everybody gets the newest revision. Unless it is forced,
// FAILED_PRECONDITION where that is held back from somebody.
absl::StatusOr<v1::StoredRollout> WithoutPolicy(const v1::StoredRollout& state,
                                                bool newest_is_promoted, bool force,
                                                int64_t now_ms);

bool IsUnderWay(const v1::StoredRollout& state);

// What is made of the answers of agents that were given the same.
struct Answers {
  size_t refuse = 0;
  size_t run = 0;
  size_t pending = 0;  // Connected, and without an answer yet.
};
enum class Opinion { kNone, kUndecided, kOdd, kRefused };
// Whether it is to be blamed on what they were given, or on those that refuse it: on these where it
// is one alone, or one in twenty, of what twice as many run. `refused_ms`: since when it is known
// that one refuses, 0: only now. Those that have not answered are not waited for for long.
Opinion OpinionOf(const Answers& answers, int64_t refused_ms, int64_t now_ms);
inline constexpr int64_t kOpinionMs = 2000;
// "Progressing", for people; a paused one is "Paused".
std::string StateName(const v1::StoredRollout& state);
// Sums over agents that run the rollout's revision, and over those that don't.
v1::Traffic CanaryTraffic(const v1::StoredRollout& state, const std::vector<RolloutAgent>& agents);
v1::Traffic OtherTraffic(const v1::StoredRollout& state, const std::vector<RolloutAgent>& agents);
// What it waits for, in words.
std::string WaitsFor(const v1::StoredRollout& state, const RolloutView& view);

}  // namespace apk

// Fleets that do what they like, by seed: what must never happen does not. The driver may be
// another one at each step, since all that is known stands in the state. APK_SEEDS=1000 asks for
// more of them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "tests/unit/control-plane/rollout/rollout_fixture.h"

namespace apk {
namespace {

struct SimulatedAgent {
  bool connected = true;
  uint64_t runs = 1;         // Revision.
  std::set<uint64_t> given;  // All that it was ever sent.
  std::set<uint64_t> refused;
  int64_t started_ms = 1;
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed) {
    policy_ = PolicyOf(
        Chance(2) ? "stages {selector: 'tier=canary' soak: '5s'} stages {share: '60%' soak: '3s'} "
                    "timeout: '4s' error_rate {max: '30%' min_requests: 5}"
                  : "stages {share: '20%' soak: '2s'} timeout: '4s' on_new_revision: 'Wait'");
    const size_t size = 1 + Below(7);
    for (size_t i = 0; i < size; ++i) agents_["agent-" + std::to_string(i)] = {};
    for (uint64_t revision = 2; revision < 100; ++revision) {
      if (Chance(3)) bad_.insert(revision);
    }
    state_.set_promoted_revision(1);
  }

  void Run() {
    for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
      now_ms_ += static_cast<int64_t>(Below(1500));
      if (Chance(15) && newest_ < 99) ++newest_;
      Disturb();
      Drive();
      Deliver();
      Check();
    }
  }

  int promoted = 0;
  int failed = 0;

 private:
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }
  uint64_t Below(uint64_t bound) {
    return std::uniform_int_distribution<uint64_t>(0, bound - 1)(random_);
  }

  uint64_t TargetOf(const std::string& id) const {
    return IsUnderWay(state_) && IsMember(state_, id) ? state_.revision()
                                                      : state_.promoted_revision();
  }

  void Disturb() {
    for (auto& [id, agent] : agents_) {
      if (Chance(20)) agent.connected = !agent.connected;
      if (Chance(100)) agent.started_ms = now_ms_;
    }
    if (!IsUnderWay(state_) || !Chance(40)) return;
    const absl::StatusOr<v1::StoredRollout> next = Chance(3) ? Abort(state_, "x", now_ms_)
                                                   : state_.paused_ms() != 0
                                                       ? Resume(state_, now_ms_)
                                                       : Pause(state_, now_ms_);
    ASSERT_TRUE(next.ok());
    state_ = *next;
  }

  RolloutView View() {
    RolloutView view{.now_ms = now_ms_,
                     .head_revision = newest_,
                     .newest_revision = newest_,
                     .newest_is_promoted = newest_ == state_.promoted_revision(),
                     .newest_is_candidate = newest_ == state_.revision(),
                     .agents = {}};
    for (const auto& [id, agent] : agents_) {
      if (!agent.connected) continue;
      RolloutAgent seen;
      seen.id = id;
      seen.started_ms = agent.started_ms;
      if (id == "agent-0") seen.labels["tier"] = "canary";
      seen.runs_it = agent.runs == state_.revision();
      if (agent.refused.contains(state_.revision())) {
        seen.refusals.emplace_back().set_agent(id);
      }
      view.agents.push_back(seen);
    }
    return view;
  }

  void Drive() {
    for (int steps = 0;; ++steps) {
      ASSERT_LT(steps, 50) << "it does not settle";
      const auto next = Step(state_, policy_, View());
      if (!next.has_value()) return;
      // What is stored is all that there is.
      v1::StoredRollout stored;
      ASSERT_TRUE(stored.ParseFromString(next->SerializeAsString()));
      CheckTransition(state_, stored);
      state_ = stored;
    }
  }

  void Deliver() {
    for (auto& [id, agent] : agents_) {
      const uint64_t target = TargetOf(id);
      if (!agent.connected || agent.runs == target || !Chance(2)) continue;
      agent.given.insert(target);
      if (bad_.contains(target)) {
        agent.refused.insert(target);
      } else {
        // As DiscoverySession::IsOlder has it.
        const bool withdrawn = state_.promoted_revision() < agent.runs &&
                               agent.runs <= state_.withdrawn_revision() &&
                               state_.promoted_revision() <= target;
        ASSERT_TRUE(target > agent.runs || withdrawn)
            << id << " goes back from " << agent.runs << " to " << target;
        agent.runs = target;
      }
    }
  }

  void CheckTransition(const v1::StoredRollout& before, const v1::StoredRollout& after) {
    if (after.state() == before.state() && after.number() == before.number()) {
      ASSERT_GE(after.members_size(), before.members_size());
      ASSERT_LE(after.stage(), before.stage() + 1);
    }
    ASSERT_GE(after.withdrawn_revision(), before.withdrawn_revision());
    ASSERT_GE(after.promoted_revision(), before.promoted_revision());
    if (after.state() == v1::StoredRollout::FAILED) {
      if (before.state() != v1::StoredRollout::FAILED) ++failed;
      ASSERT_FALSE(after.reason().empty());
      ASSERT_EQ(after.promoted_revision(), before.promoted_revision());
    }
    if (after.promoted_revision() > before.promoted_revision()) {
      ++promoted;
      // Whoever ran it had nothing against it.
      ASSERT_FALSE(bad_.contains(after.promoted_revision())) << after.promoted_revision();
      for (const auto& [id, agent] : agents_) {
        if (!agent.connected || !IsMember(before, id)) continue;
        ASSERT_EQ(agent.runs, after.promoted_revision());
      }
    }
  }

  // A bad revision was never given to anybody but members of the stage that found it out.
  void Check() {
    for (const uint64_t revision : bad_) {
      std::set<std::string> given;
      for (const auto& [id, agent] : agents_) {
        if (agent.given.contains(revision)) given.insert(id);
      }
      const bool labelled = policy_.stages(0).share().empty();
      if (labelled) {
        for (const std::string& id : given) ASSERT_EQ(id, "agent-0") << "revision " << revision;
      } else {
        ASSERT_LE(given.size(), 2u) << "revision " << revision;  // A fifth of seven at most.
      }
    }
  }

  std::mt19937_64 random_;
  v1::RolloutPolicy policy_;
  v1::StoredRollout state_;
  std::map<std::string, SimulatedAgent> agents_;
  std::set<uint64_t> bad_;
  uint64_t newest_ = 1;
  int64_t now_ms_ = 1'000'000;
};

TEST(RolloutSimulation, ABadRevisionStaysWithTheFirstStageAndAGoodOneGetsThrough) {
  int promoted = 0;
  int failed = 0;
  const char* const asked = std::getenv("APK_SEEDS");
  const uint64_t seeds = asked == nullptr ? 40 : std::stoull(asked);
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    Simulation simulation(seed);
    simulation.Run();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    promoted += simulation.promoted;
    failed += simulation.failed;
  }
  // It was about something.
  EXPECT_GT(promoted, static_cast<int>(seeds));
  EXPECT_GT(failed, static_cast<int>(seeds));
}

}  // namespace
}  // namespace apk

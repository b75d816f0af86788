// A rollout, a fleet and a clock.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "control-plane/rollout/rollout.h"

namespace apk {

inline v1::RolloutPolicy PolicyOf(const std::string& text) {
  v1::RolloutPolicy policy;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &policy)) << text;
  return policy;
}

// Agents of a fleet: "a", "b", … Two with the label tier=canary where it is asked for.
inline std::vector<RolloutAgent> Fleet(size_t size, size_t canaries = 0) {
  std::vector<RolloutAgent> agents;
  for (size_t i = 0; i < size; ++i) {
    RolloutAgent agent;
    agent.id = "agent-" + std::to_string(i);
    agent.started_ms = 1;
    if (i < canaries) agent.labels["tier"] = "canary";
    agents.push_back(agent);
  }
  return agents;
}

inline bool IsMember(const v1::StoredRollout& state, const std::string& id) {
  for (const v1::StoredRollout::Member& member : state.members()) {
    if (member.agent() == AgentKey(id)) return true;
  }
  return false;
}

class RolloutTest : public testing::Test {
 protected:
  // Steps until there is nothing to do.
  void Settle() {
    view.head_revision = std::max(view.head_revision, view.newest_revision);
    while (const auto next = Step(state, policy, view)) {
      if (next->promoted_revision() != state.promoted_revision()) {
        view.newest_is_promoted = next->promoted_revision() == view.newest_revision;
      }
      if (next->revision() != state.revision()) {
        view.newest_is_candidate = next->revision() == view.newest_revision;
      }
      state = *next;
      states.push_back(StateName(state));
    }
  }
  // A new revision, which is something else for agents.
  void Commit() {
    ++view.newest_revision;
    view.newest_is_promoted = false;
    view.newest_is_candidate = false;
    for (RolloutAgent& agent : view.agents) {
      agent.runs_it = false;
      agent.traffic.Clear();
    }
  }
  // A rollout, given to its first stage; and acknowledged there.
  void Start() {
    Settle();
    Commit();
    Settle();
  }
  void StartToSoak() {
    Start();
    Obey();
    Settle();
  }
  void Pass(int64_t ms) { view.now_ms += ms; }
  RolloutAgent& Agent(size_t i) { return view.agents[i]; }
  // Members run what they are given.
  void Obey() {
    for (RolloutAgent& agent : view.agents) agent.runs_it = IsMember(state, agent.id);
  }
  // Its number. REQUIRES: there is a member.
  size_t FirstMember() {
    size_t i = 0;
    while (!IsMember(state, Agent(i).id)) ++i;
    return i;
  }
  void Refuse(size_t i, const std::string& resource, const std::string& message) {
    v1::RolloutRefusal& refusal = Agent(i).refusals.emplace_back();
    refusal.set_agent(Agent(i).id);
    refusal.set_resource(resource);
    refusal.set_message(message);
  }

  v1::StoredRollout state;
  v1::RolloutPolicy policy = PolicyOf(
      "stages {name: 'canary' selector: 'tier=canary' soak: '30s'} stages {name: 'half' share: "
      "'50%' soak: '10s'} timeout: '20s'");
  RolloutView view{.now_ms = 1'000'000,
                   .head_revision = 0,
                   .newest_revision = 7,
                   .newest_is_promoted = false,
                   .newest_is_candidate = false,
                   .agents = Fleet(6, 1)};
  std::vector<std::string> states;
};

}  // namespace apk

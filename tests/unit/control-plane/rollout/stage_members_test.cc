// Who is chosen.
#include "control-plane/rollout/stage_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/control-plane/rollout/rollout_fixture.h"

namespace apk {
namespace {

RolloutPlan::Stage Share(double share) {
  RolloutPlan::Stage stage;
  stage.share = share;
  return stage;
}

std::set<std::string> Chosen(const RolloutPlan::Stage& stage, uint64_t number,
                             const v1::StoredRollout& state,
                             const std::vector<RolloutAgent>& agents) {
  std::set<std::string> names;
  for (const RolloutAgent* const agent : ChooseMembers(stage, number, state, agents)) {
    names.insert(agent->id);
  }
  return names;
}

TEST(StageMembers, AShareIsRoundedUpAndHasOneAtLeast) {
  const auto agents = Fleet(10);
  EXPECT_EQ(Chosen(Share(0.01), 1, {}, agents).size(), 1u);
  EXPECT_EQ(Chosen(Share(0.1), 1, {}, agents).size(), 1u);
  EXPECT_EQ(Chosen(Share(0.11), 1, {}, agents).size(), 2u);
  EXPECT_EQ(Chosen(Share(1), 1, {}, agents).size(), 10u);
  EXPECT_TRUE(Chosen(Share(1), 1, {}, {}).empty());
}

TEST(StageMembers, TheChoiceDependsOnTheRolloutAndOnNothingElse) {
  auto agents = Fleet(100);
  const auto first = Chosen(Share(0.1), 1, {}, agents);
  std::reverse(agents.begin(), agents.end());
  EXPECT_EQ(Chosen(Share(0.1), 1, {}, agents), first);
  std::set<std::string> over_time;
  for (uint64_t number = 1; number <= 100; ++number) {
    over_time.merge(Chosen(Share(0.1), number, {}, agents));
  }
  EXPECT_GT(over_time.size(), 95u);  // Nobody is spared, or always first.
}

TEST(StageMembers, ThoseOfEarlierStagesCountAndAreNotChosenAgain) {
  const auto agents = Fleet(10);
  v1::StoredRollout state;
  for (const std::string& name : Chosen(Share(0.3), 1, {}, agents)) {
    state.add_members()->set_agent(AgentKey(name));
  }
  const auto more = Chosen(Share(0.5), 1, state, agents);
  EXPECT_EQ(more.size(), 2u);
  for (const std::string& name : more) EXPECT_FALSE(IsMember(state, name));
  EXPECT_TRUE(Chosen(Share(0.3), 1, state, agents).empty());
}

TEST(StageMembers, WhomTheRevisionConcernsComesFirst) {
  auto agents = Fleet(50);
  for (RolloutAgent& agent : agents) agent.concerned = false;
  agents[17].concerned = agents[33].concerned = true;
  EXPECT_THAT(Chosen(Share(0.04), 1, {}, agents), testing::ElementsAre("agent-17", "agent-33"));
}

TEST(StageMembers, ASelectorTakesAllThatHaveTheLabels) {
  RolloutPlan::Stage stage;
  stage.selector = *LabelSelector::Parse("tier=canary");
  EXPECT_THAT(Chosen(stage, 1, {}, Fleet(5, 2)), testing::ElementsAre("agent-0", "agent-1"));
  EXPECT_TRUE(Chosen(stage, 1, {}, Fleet(5)).empty());
}

}  // namespace
}  // namespace apk

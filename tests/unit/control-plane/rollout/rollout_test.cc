// What happens, event by event.
#include "control-plane/rollout/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control-plane/rollout/rollout_fixture.h"

namespace apk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(RolloutTest, AFirstPolicyTakesWhatThereIsAsPromoted) {
  Settle();
  EXPECT_EQ(state.promoted_revision(), 7u);
  EXPECT_EQ(state.number(), 0u);
  EXPECT_TRUE(states.size() == 1);
}

TEST_F(RolloutTest, WithoutAnyRevisionThereIsNothingToPromote) {
  view.newest_revision = 0;
  Settle();
  EXPECT_EQ(state.promoted_revision(), 0u);
}

TEST_F(RolloutTest, AGoodChangeGoesThroughTheStages) {
  Start();
  EXPECT_EQ(state.number(), 1u);
  EXPECT_EQ(state.revision(), 8u);
  EXPECT_EQ(state.promoted_revision(), 7u);
  ASSERT_EQ(state.members_size(), 1);
  EXPECT_TRUE(IsMember(state, "agent-0"));
  EXPECT_THAT(WaitsFor(state, view), HasSubstr("agent agent-0 to acknowledge"));

  Obey();
  Settle();
  Pass(29'999);
  Settle();
  EXPECT_EQ(state.stage(), 0u);
  EXPECT_EQ(NextStepMs(state), view.now_ms + 1);
  EXPECT_THAT(WaitsFor(state, view), HasSubstr("stage canary to run it for another 1 s"));
  Pass(1);
  Settle();
  EXPECT_EQ(state.stage(), 1u);
  EXPECT_EQ(state.members_size(), 3);  // Half of six, the canary included.

  Obey();
  Settle();
  Pass(10'000);
  Settle();
  EXPECT_EQ(state.stage(), 2u);
  EXPECT_EQ(state.members_size(), 6);
  EXPECT_EQ(StateName(state), "Progressing");
  Obey();
  Settle();
  EXPECT_EQ(StateName(state), "Promoted");
  EXPECT_EQ(state.promoted_revision(), 8u);
  EXPECT_EQ(state.withdrawn_revision(), 0u);
  EXPECT_EQ(state.members_size(), 0);
}

TEST_F(RolloutTest, OneThatRefusesStopsIt) {
  Start();
  Refuse(0, "route/default/a", "no such filter");
  Refuse(0, "route/default/b", "neither");
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_EQ(state.reason(), "agent agent-0: route/default/a: no such filter, and 1 more");
  EXPECT_EQ(state.refusals_size(), 2);
  EXPECT_EQ(state.promoted_revision(), 7u);
  EXPECT_EQ(state.withdrawn_revision(), 8u);
  EXPECT_EQ(state.members_size(), 0);
  // It is not tried again by itself, and not for what is the same for agents.
  Pass(1'000'000);
  ++view.newest_revision;
  Settle();
  EXPECT_EQ(state.number(), 1u);
}

TEST_F(RolloutTest, WhatSomebodyElseRefusesIsNotAboutIt) {
  Start();
  Refuse(3, "", "something of long ago");
  Obey();
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
}

TEST_F(RolloutTest, ARefusalInALaterStageBringsAllOfThemBack) {
  StartToSoak();
  Pass(30'000);
  Settle();
  ASSERT_EQ(state.stage(), 1u);
  for (size_t i = 1; i < 6; ++i) {
    if (IsMember(state, Agent(i).id)) {
      Refuse(i, "", "no");
      break;
    }
  }
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_EQ(state.members_size(), 0);
  EXPECT_EQ(state.stage(), 1u);
}

TEST_F(RolloutTest, OneOddMemberStopsItUnlessThePolicySaysOtherwise) {
  policy = PolicyOf("stages {share: '50%'} timeout: '20s'");
  Start();
  ASSERT_EQ(state.members_size(), 3);
  Obey();
  const size_t odd = FirstMember();
  Agent(odd).runs_it = false;
  Refuse(odd, "route/default/a", "no");
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
}

TEST_F(RolloutTest, WhereObjectsAreHeldBackOthersAreHeardButNotForLong) {
  policy = PolicyOf("stages {share: '50%'} timeout: '20s' on_refusal: 'Hold'");
  Start();
  ASSERT_EQ(state.members_size(), 3);
  Refuse(FirstMember(), "", "no");
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  EXPECT_EQ(NextStepMs(state), view.now_ms + kOpinionMs);
  Pass(kOpinionMs);
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
}

TEST_F(RolloutTest, OneOddMemberDoesNotStopWhatTheOthersRun) {
  policy = PolicyOf("stages {share: '50%'} timeout: '20s' on_refusal: 'Hold'");
  Start();
  ASSERT_EQ(state.members_size(), 3);
  Obey();
  const size_t odd = FirstMember();
  Agent(odd).runs_it = false;
  Refuse(odd, "route/default/a", "no");
  Settle();
  EXPECT_EQ(state.stage(), 1u);
  ASSERT_EQ(state.refusals_size(), 1);
  EXPECT_EQ(state.refusals(0).message(), "no");
  Obey();
  for (RolloutAgent& agent : view.agents) {
    if (!agent.refusals.empty()) agent.runs_it = false;
  }
  Settle();
  EXPECT_EQ(StateName(state), "Promoted");
  EXPECT_EQ(state.refusals_size(), 1);
}

TEST_F(RolloutTest, WhatIsHeldBackOfARevisionIsPromotedWithIt) {
  Start();
  view.held = {3};
  Commit();
  Settle();
  ASSERT_EQ(state.held_size(), 1);
  view.held = {3, 4};  // Of what is newer.
  Obey();
  Settle();
  Pass(30'000);
  Settle();
  Obey();
  Settle();
  Pass(10'000);
  Settle();
  Obey();
  Settle();
  EXPECT_EQ(StateName(state), "Promoted");
  ASSERT_EQ(state.promoted_held_size(), 1);
  EXPECT_EQ(state.promoted_held(0), 3u);
}

TEST_F(RolloutTest, OneThatDoesNotAnswerStopsItInTime) {
  Start();
  EXPECT_EQ(NextStepMs(state), view.now_ms + 20'000);
  Pass(19'999);
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  Pass(1);
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_THAT(state.reason(), HasSubstr("agent agent-0 has not acknowledged it within 20 s"));
}

TEST_F(RolloutTest, ItWaitsForAnAgentOfTheFirstStageForAsLongAsItTakes) {
  view.agents = Fleet(3);
  Start();
  Pass(1'000'000);
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  EXPECT_EQ(NextStepMs(state), std::nullopt);
  EXPECT_EQ(state.members_size(), 0);
  EXPECT_THAT(WaitsFor(state, view),
              HasSubstr("stage canary to connect: one with the labels tier="));
  Agent(1).labels["tier"] = "canary";
  Settle();
  EXPECT_EQ(state.members_size(), 1);
  // Its time begins then.
  EXPECT_EQ(NextStepMs(state), view.now_ms + 20'000);
}

TEST_F(RolloutTest, WhatItWaitsForCanBeToldAtAnyStep) {
  StartToSoak();
  for (int step = 0; step < 20 && StateName(state) == "Progressing"; ++step) {
    WaitsFor(state, view);  // Also where the state is ahead of what was seen, or behind it.
    const auto next = Step(state, policy, view);
    if (next.has_value()) state = *next;
    Obey();
    Pass(10'000);
  }
  EXPECT_EQ(StateName(state), "Promoted");
  EXPECT_EQ(WaitsFor(state, view), "");
}

TEST_F(RolloutTest, WithNobodyConnectedNothingIsPromoted) {
  policy = PolicyOf("stages {share: '10%'}");
  view.agents.clear();
  Start();
  Pass(1'000'000);
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  EXPECT_EQ(WaitsFor(state, view), "an agent to connect");
  view.agents = Fleet(1);
  Settle();
  EXPECT_EQ(state.members_size(), 1);
}

TEST_F(RolloutTest, WhoConnectsLaterIsNoMember) {
  Start();
  RolloutAgent late;
  late.id = "late";
  late.labels["tier"] = "canary";
  view.agents.push_back(late);
  Settle();
  EXPECT_FALSE(IsMember(state, "late"));
  // Nor is it waited for.
  Obey();
  Settle();
  Pass(30'000);
  Settle();
  EXPECT_EQ(state.stage(), 1u);
}

TEST_F(RolloutTest, AMemberThatLeavesAloneStopsItWhereItDoesNotComeBack) {
  StartToSoak();
  const RolloutAgent canary = Agent(0);
  view.agents.erase(view.agents.begin());
  Settle();
  EXPECT_THAT(WaitsFor(state, view), HasSubstr("connect again"));
  Pass(19'999);
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  // Back in time: it goes on where it was.
  view.agents.push_back(canary);
  Settle();
  EXPECT_EQ(state.absent_ms(), 0);
  Pass(10'001);
  Settle();
  EXPECT_EQ(state.stage(), 1u);
}

TEST_F(RolloutTest, AllMembersGoneForTooLongStopsIt) {
  StartToSoak();
  view.agents.erase(view.agents.begin());
  Settle();
  EXPECT_EQ(NextStepMs(state), view.now_ms + 20'000);
  Pass(20'000);
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_THAT(state.reason(), HasSubstr("no agent that was given revision 8 is connected"));
}

TEST_F(RolloutTest, ASoakOverTheAbsenceOfAllDoesNotEndIt) {
  policy.set_timeout("10m");
  StartToSoak();
  const RolloutAgent canary = Agent(0);
  view.agents.erase(view.agents.begin());
  Settle();
  Pass(60'000);
  Settle();
  EXPECT_EQ(state.stage(), 0u);
  view.agents.push_back(canary);
  Settle();
  EXPECT_EQ(state.stage(), 1u);
}

TEST_F(RolloutTest, AMemberThatIsBehindAgainBeginsTheSoakAnew) {
  StartToSoak();
  Pass(29'000);
  Agent(0).runs_it = false;  // It lost its disk, say.
  Settle();
  EXPECT_EQ(state.acknowledged_ms(), 0);
  Obey();
  Settle();
  Pass(29'999);
  Settle();
  EXPECT_EQ(state.stage(), 0u);
  Pass(1);
  Settle();
  EXPECT_EQ(state.stage(), 1u);
}

TEST_F(RolloutTest, TwoStartsOfAMembersProcessStopIt) {
  StartToSoak();
  Agent(0).started_ms = 100;
  Settle();
  EXPECT_EQ(state.members(0).restarts(), 1u);
  EXPECT_EQ(StateName(state), "Progressing");
  Agent(0).started_ms = 200;
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_THAT(state.reason(), HasSubstr("agent-0: it has started anew 2 times"));
}

TEST_F(RolloutTest, AnAgentThatDoesNotTellWhenItStartedIsNoReasonToStop) {
  Agent(0).started_ms = 0;
  Start();
  Agent(0).started_ms = 100;  // A newer program.
  Obey();
  Settle();
  EXPECT_EQ(state.members(0).restarts(), 0u);
  EXPECT_EQ(StateName(state), "Progressing");
}

TEST_F(RolloutTest, ErrorsOfCanariesStopIt) {
  policy.mutable_error_rate()->set_max("10%");
  Start();
  Obey();
  Agent(0).traffic.set_requests(20);
  Agent(0).traffic.set_responses_5xx(2);
  Agent(1).traffic.set_requests(20);  // Nobody's canary.
  Agent(1).traffic.set_responses_5xx(20);
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  Agent(0).traffic.set_responses_5xx(3);
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_THAT(state.reason(), HasSubstr("15.0 % of 20 requests"));
}

TEST_F(RolloutTest, ABaselineOfAnEarlierStageServesTheLast) {
  policy = PolicyOf(
      "stages {selector: 'tier=canary'} error_rate {over_baseline: '5%' min_requests: 10}");
  Start();
  Obey();
  Agent(1).traffic.set_requests(100);
  Agent(1).traffic.set_responses_5xx(20);
  Settle();
  ASSERT_EQ(state.stage(), 1u);
  EXPECT_EQ(state.baseline().requests(), 100u);
  Obey();
  Agent(1).traffic.set_responses_5xx(26);
  Agent(1).runs_it = true;
  Agent(2).runs_it = false;
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
  EXPECT_THAT(state.reason(), HasSubstr("where it is 20.0 %"));
}

TEST_F(RolloutTest, ANewerRevisionTakesItsPlace) {
  StartToSoak();
  Pass(30'000);
  Settle();
  ASSERT_EQ(state.stage(), 1u);
  Commit();
  states.clear();
  Settle();
  EXPECT_EQ(states[0], "Superseded");
  EXPECT_EQ(state.number(), 2u);
  EXPECT_EQ(state.revision(), 9u);
  EXPECT_EQ(state.promoted_revision(), 7u);
  EXPECT_EQ(state.withdrawn_revision(), 8u);
  EXPECT_EQ(state.stage(), 0u);
  EXPECT_EQ(state.members_size(), 1);
}

TEST_F(RolloutTest, ANewerRevisionWaitsWhereThePolicySaysSo) {
  policy.set_on_new_revision("Wait");
  Start();
  Commit();
  Settle();
  EXPECT_EQ(state.revision(), 8u);
  ASSERT_TRUE(Abort(state, "ann", view.now_ms).ok());
  state = *Abort(state, "ann", view.now_ms);
  Settle();
  EXPECT_EQ(state.revision(), 9u);
  EXPECT_EQ(state.number(), 2u);
}

TEST_F(RolloutTest, GoingBackToWhatWasPromotedEndsIt) {
  Start();
  ++view.newest_revision;
  view.newest_is_promoted = true;
  view.newest_is_candidate = false;
  Settle();
  EXPECT_EQ(StateName(state), "Superseded");
  EXPECT_EQ(state.number(), 1u);
  EXPECT_EQ(state.withdrawn_revision(), 8u);
}

TEST_F(RolloutTest, AfterAFailureALaterRevisionBeginsANewOne) {
  Start();
  Refuse(0, "", "no");
  Settle();
  ASSERT_EQ(StateName(state), "Failed");
  Agent(0).refusals.clear();
  Commit();
  Settle();
  EXPECT_EQ(StateName(state), "Progressing");
  EXPECT_EQ(state.number(), 2u);
  EXPECT_EQ(state.from_revision(), 7u);
  EXPECT_TRUE(state.reason().empty());
  EXPECT_EQ(state.refusals_size(), 0);
}

TEST_F(RolloutTest, ThePromotedRevisionFollowsWhatIsTheSame) {
  Settle();
  view.head_revision += 99;
  Settle();
  EXPECT_EQ(state.promoted_revision(), 7u);
  ++view.head_revision;
  Settle();
  EXPECT_EQ(state.promoted_revision(), 107u);
}

TEST_F(RolloutTest, PausingStopsTimeAndNewRevisionsButNotFailures) {
  StartToSoak();
  Pass(10'000);
  state = *Pause(state, view.now_ms);
  EXPECT_EQ(StateName(state), "Paused");
  EXPECT_EQ(NextStepMs(state), std::nullopt);
  EXPECT_FALSE(Pause(state, view.now_ms).ok());
  Pass(1'000'000);
  Commit();
  Obey();
  Settle();
  EXPECT_EQ(state.revision(), 8u);
  --view.newest_revision;
  view.newest_is_candidate = true;
  state = *Resume(state, view.now_ms);
  EXPECT_FALSE(Resume(state, view.now_ms).ok());
  Settle();
  Pass(19'999);
  Settle();
  EXPECT_EQ(state.stage(), 0u);
  Pass(1);
  Settle();
  EXPECT_EQ(state.stage(), 1u);

  state = *Pause(state, view.now_ms);
  Refuse(0, "", "no");
  Settle();
  EXPECT_EQ(StateName(state), "Failed");
}

TEST_F(RolloutTest, PromotingSkipsWhatIsLeftOfTheStage) {
  Start();
  state = *Promote(state, "ann", view.now_ms);
  Settle();
  EXPECT_EQ(state.stage(), 1u);
  EXPECT_EQ(state.members_size(), 3);
  state = *Pause(state, view.now_ms);
  state = *Promote(state, "ann", view.now_ms);
  EXPECT_EQ(StateName(state), "Progressing");  // It goes on.
  Settle();
  EXPECT_EQ(state.members_size(), 6);
  state = *Promote(state, "ann", view.now_ms);
  EXPECT_EQ(StateName(state), "Promoted");
  EXPECT_EQ(state.promoted_revision(), 8u);
  EXPECT_EQ(state.reason(), "promoted by ann");
  EXPECT_FALSE(Promote(state, "ann", view.now_ms).ok());
}

TEST_F(RolloutTest, AbortingBringsEverybodyBack) {
  EXPECT_THAT(std::string(Abort(state, "ann", 0).status().message()),
              HasSubstr("there was no rollout yet"));
  Start();
  state = *Abort(state, "ann", view.now_ms);
  EXPECT_EQ(StateName(state), "Aborted");
  EXPECT_EQ(state.reason(), "aborted by ann");
  EXPECT_EQ(state.withdrawn_revision(), 8u);
  view.newest_is_candidate = true;
  Settle();
  EXPECT_EQ(state.number(), 1u);
  EXPECT_THAT(std::string(Abort(state, "ann", 0).status().message()),
              HasSubstr("the last, 1, is Aborted"));
}

TEST_F(RolloutTest, WhatWasStoppedIsTriedAgainWhenSomebodySaysSo) {
  EXPECT_FALSE(Retry(state, false).ok());
  Start();
  EXPECT_FALSE(Retry(state, false).ok());
  state = *Abort(state, "ann", view.now_ms);
  view.newest_is_candidate = true;
  state = *Retry(state, false);
  Settle();
  EXPECT_EQ(state.number(), 2u);
  EXPECT_EQ(state.revision(), 8u);
  EXPECT_EQ(StateName(state), "Progressing");
}

TEST_F(RolloutTest, APolicyIsNotTakenAwayFromAHeldBackRevisionUnlessForced) {
  Settle();
  EXPECT_EQ(WithoutPolicy(state, true, false, 0)->promoted_revision(), 0u);
  Commit();
  Settle();
  EXPECT_THAT(std::string(WithoutPolicy(state, false, false, 0).status().message()),
              HasSubstr("rollout 1 (Progressing)"));
  const auto forced = WithoutPolicy(state, false, true, view.now_ms);
  ASSERT_TRUE(forced.ok());
  EXPECT_EQ(StateName(*forced), "Superseded");
  EXPECT_EQ(forced->promoted_revision(), 0u);
}

TEST_F(RolloutTest, ARolloutKeepsThePolicyThatItBeganWith) {
  Start();
  policy = PolicyOf("stages {share: '100%'}");
  Settle();
  EXPECT_EQ(state.members_size(), 1);
  EXPECT_EQ(state.policy().stages_size(), 2);
}

TEST_F(RolloutTest, AStoredPolicyThatCanNotBeReadEndsTheRollout) {
  Start();
  state.mutable_policy()->mutable_stages(0)->set_share("?");
  Settle();
  EXPECT_EQ(StateName(state), "Aborted");
  EXPECT_THAT(state.reason(), HasSubstr("can't be read"));
}

}  // namespace
}  // namespace apk

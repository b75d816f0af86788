// A rollout over a real store, with agents that do what the test says.
#include <condition_variable>
#include <mutex>

#include "tests/unit/control-plane/rollout/rollout_control_fixture.h"

namespace apk {
namespace {

TEST_F(RolloutControlTest, WithoutAPolicyEverybodyGetsWhatIsNewest) {
  Apply(MakeGateway("second", 8081));
  EXPECT_EQ(TargetOf("canary"), plane_->snapshots.Newest()->version);
  EXPECT_EQ(TargetOf("b"), plane_->snapshots.Newest()->version);
  EXPECT_FALSE(plane_->control.Status().has_policy());
}

TEST_F(RolloutControlTest, AChangeIsTheCanarysUntilThatRunsIt) {
  SetPolicy("tier=canary", "");
  const std::string before = TargetOf("b");
  Apply(MakeGateway("second", 8081));
  EXPECT_EQ(TargetOf("b"), before);  // It was never anything else, for no moment.
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") != before; }));
  EXPECT_EQ(TargetOf("b"), before);
  EXPECT_EQ(plane_->control.Status().rollout().state(), "Progressing");
  ASSERT_TRUE(Reaches("Promoted"));
  EXPECT_TRUE(Eventually([&] { return TargetOf("b") == plane_->snapshots.Newest()->version; }));
  EXPECT_TRUE(
      Eventually([&] { return TargetOf("new one") == plane_->snapshots.Newest()->version; }));
}

TEST_F(RolloutControlTest, OneThatRefusesBringsItBackAndTheConditionsSaySo) {
  SetPolicy("tier=canary", "");
  const std::string before = TargetOf("b");
  Apply(MakeGateway("second", 8081));
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") != before; }));
  v1::DiscoveryRequest refusal;
  refusal.set_error("no");
  v1::ResourceError& error = *refusal.add_resource_errors();
  error.set_name("listener/default/second/http");
  error.set_message("can't be");
  plane_->agents.Reject("canary", refusal, TargetOf("canary"));
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") == before; }));
  EXPECT_EQ(TargetOf("b"), before);
  const v1::RolloutStatus status = plane_->control.Status();
  EXPECT_EQ(status.rollout().state(), "Failed");
  EXPECT_EQ(plane_->snapshots.withdrawn().last, status.rollout().revision());
  const auto condition = [&] {
    const auto resources = plane_->configuration.Current().resources;
    const auto* const gateway = resources->Find<v1::Gateway>("default", "second");
    for (const v1::Condition& found : gateway->status().listeners(0).conditions()) {
      if (found.type() == "Programmed") return found;
    }
    return v1::Condition();
  };
  EXPECT_TRUE(Eventually([&] { return condition().reason() == "RefusedByAgent"; }));
  EXPECT_EQ(condition().status(), "False");
  EXPECT_NE(condition().message().find("agent canary: can't be"), std::string::npos);
  EXPECT_EQ(plane_->control.History().rollouts(0).refusals(0).message(), "can't be");
}

TEST_F(RolloutControlTest, WhoTakesOverGoesOnWhereItStood) {
  SetPolicy("tier=canary", "1h");
  const std::string before = TargetOf("b");
  Apply(MakeGateway("second", 8081));
  const std::string after = plane_->snapshots.Newest()->version;
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") == after; }));
  Obey();
  ASSERT_TRUE(Eventually([&] { return plane_->book.Now()->state.acknowledged_ms() != 0; }));
  const int64_t since = plane_->book.Now()->state.acknowledged_ms();

  Restart();
  EXPECT_EQ(TargetOf("b"), before);
  EXPECT_EQ(TargetOf("canary"), after);
  EXPECT_EQ(TargetOf("a new one"), before);
  for (const auto& [id, version] : runs_) Connect(id);
  EXPECT_EQ(plane_->book.Now()->state.acknowledged_ms(), since);
  EXPECT_EQ(plane_->control.Status().stages(0).state(), "Soaking");
  v1::SteerRolloutRequest promote;
  promote.set_action(v1::SteerRolloutRequest::PROMOTE);
  ASSERT_TRUE(plane_->control.Steer(promote, kAuthor).ok());
  ASSERT_TRUE(Reaches("Promoted"));
  EXPECT_TRUE(Eventually([&] { return TargetOf("b") == after; }));
}

TEST_F(RolloutControlTest, OneThatDoesNotLeadTakesNoStep) {
  SetPolicy("tier=canary", "");
  plane_->control.Lead(false);
  const std::string before = TargetOf("b");
  Apply(MakeGateway("second", 8081));
  EXPECT_EQ(plane_->control.Status().rollout().number(), 0u);
  EXPECT_EQ(TargetOf("canary"), before);
  plane_->control.Lead(true);
  EXPECT_TRUE(Reaches("Promoted"));
}

TEST_F(RolloutControlTest, TheLastStepIsUndoneByWhatIsApplied) {
  SetPolicy("tier=canary", "1h");
  const std::string before = TargetOf("b");
  Apply(MakeGateway("first", 9090));
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") != before; }));
  Apply(MakeGateway("first", 8080));
  ASSERT_TRUE(Reaches("Superseded"));
  EXPECT_TRUE(Eventually([&] { return TargetOf("canary") == before; }));
  EXPECT_EQ(TargetOf("b"), before);
}

TEST_F(RolloutControlTest, RemovingThePolicyNeedsForceWhereSomethingIsHeldBack) {
  SetPolicy("tier=canary", "1h");
  const std::string before = TargetOf("b");
  Apply(MakeGateway("second", 8081));
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") != before; }));
  v1::SetRolloutPolicyRequest none;
  EXPECT_TRUE(absl::IsFailedPrecondition(plane_->control.SetPolicy(none, kAuthor).status()));
  none.set_force(true);
  ASSERT_TRUE(plane_->control.SetPolicy(none, kAuthor).ok());
  EXPECT_TRUE(Eventually([&] { return TargetOf("b") == plane_->snapshots.Newest()->version; }));
}

TEST_F(RolloutControlTest, AnotherRolloutThanIsMeantIsNotSteered) {
  SetPolicy("tier=canary", "1h");
  Apply(MakeGateway("second", 8081));
  ASSERT_TRUE(
      Eventually([&] { return plane_->control.Status().rollout().state() == "Progressing"; }));
  v1::SteerRolloutRequest abort;
  abort.set_action(v1::SteerRolloutRequest::ABORT);
  abort.set_number(7);
  EXPECT_TRUE(absl::IsAborted(plane_->control.Steer(abort, kAuthor).status()));
  abort.set_number(1);
  EXPECT_EQ(plane_->control.Steer(abort, kAuthor)->rollout().state(), "Aborted");
}

TEST_F(RolloutControlTest, TrafficIsWantedWhileARuleNeedsIt) {
  std::mutex mutex;
  std::condition_variable called;
  std::vector<int64_t> wanted;
  plane_->control.OnTrafficWanted([&](std::chrono::milliseconds every) {
    const std::lock_guard lock(mutex);
    wanted.push_back(every.count());
    called.notify_all();
  });
  v1::SetRolloutPolicyRequest request;
  request.mutable_policy()->add_stages()->set_selector("tier=canary");
  request.mutable_policy()->mutable_error_rate()->set_max("10%");
  request.mutable_policy()->mutable_stages(0)->set_soak("1h");
  ASSERT_TRUE(plane_->control.SetPolicy(request, kAuthor).ok());
  const std::string before = TargetOf("canary");
  Apply(MakeGateway("second", 8081));
  ASSERT_TRUE(Eventually([&] { return TargetOf("canary") != before; }));
  Obey();
  v1::Traffic traffic;
  traffic.set_version(TargetOf("canary"));
  traffic.set_requests(100);
  traffic.set_responses_5xx(50);
  plane_->agents.NoteTraffic("canary", traffic);
  ASSERT_TRUE(Reaches("Failed"));
  EXPECT_NE(plane_->control.Status().rollout().reason().find("50.0 %"), std::string::npos);
  {
    std::unique_lock lock(mutex);  // The control's thread tells of it a moment later.
    called.wait_for(lock, std::chrono::seconds(20), [&] { return wanted.size() >= 3; });
  }
  plane_->control.OnTrafficWanted(nullptr);
  ASSERT_EQ(wanted.size(), 3u);
  EXPECT_EQ(wanted[0], 0);
  EXPECT_GT(wanted[1], 0);
  EXPECT_EQ(wanted[2], 0);
}

}  // namespace
}  // namespace apk

// A rollout over a real store, with agents that do what the test says.
#include "control-plane/rollout/rollout_control.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "control-plane/store/sqlite_log.h"

namespace apk {
namespace {

constexpr char kAuthor[] = "test";

template <class Object>
Object Make(const std::string& api_version, const std::string& name) {
  Object object;
  object.set_api_version(api_version);
  object.set_kind(std::string(Object::descriptor()->name()));
  object.mutable_metadata()->set_name(name);
  return object;
}

v1::Gateway MakeGateway(const std::string& name, uint32_t port) {
  auto gateway = Make<v1::Gateway>("gateway.networking.k8s.io/v1", name);
  gateway.mutable_spec()->set_gateway_class_name("apk");
  v1::GatewayListener& listener = *gateway.mutable_spec()->add_listeners();
  listener.set_name("http");
  listener.set_port(port);
  listener.set_protocol("HTTP");
  return gateway;
}

// All of a control plane that is made anew where it is killed.
struct ControlPlane {
  explicit ControlPlane(const std::string& directory)
      : log(*SqliteLog::Open(directory + "/store.db")),
        configuration(*log, snapshots, agents, feed),
        book(*log),
        control(book, configuration, snapshots, agents) {
    EXPECT_TRUE(control.Load().ok());
    EXPECT_TRUE(configuration.Load().ok());
    control.Start();
  }

  std::unique_ptr<SqliteLog> log;
  SnapshotCache snapshots;
  AgentRegistry agents;
  ChangeFeed feed;
  Configuration configuration;
  RolloutBook book;
  RolloutControl control;
};

class RolloutControlTest : public testing::Test {
 protected:
  RolloutControlTest() {
    char pattern[] = "/tmp/apk-rollout-XXXXXX";
    directory_ = mkdtemp(pattern);
    Restart();
    Apply(Make<v1::Namespace>("v1", "default"));
    auto of_ours = Make<v1::GatewayClass>("gateway.networking.k8s.io/v1", "apk");
    of_ours.mutable_spec()->set_controller_name("apk.dev/gateway-controller");
    Apply(of_ours);
    Apply(MakeGateway("first", 8080));
    for (const char* const id : {"canary", "b", "c"}) Connect(id);
    Obey();
  }
  ~RolloutControlTest() override {
    plane_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Restart() {
    plane_.reset();
    plane_ = std::make_unique<ControlPlane>(directory_);
  }

  void Apply(const google::protobuf::Message& object) {
    v1::ApplyRequest request;
    request.add_objects()->PackFrom(object);
    const auto response = plane_->configuration.Apply(request, kAuthor);
    ASSERT_TRUE(response.ok());
    ASSERT_FALSE(response->results().empty());
  }

  void SetPolicy(const std::string& selector, const std::string& soak) {
    v1::SetRolloutPolicyRequest request;
    v1::RolloutStage& stage = *request.mutable_policy()->add_stages();
    stage.set_selector(selector);
    stage.set_soak(soak);
    const auto set = plane_->control.SetPolicy(request, kAuthor);
    ASSERT_TRUE(set.ok()) << std::string(set.status().message());
  }

  static Labels LabelsOf(const std::string& id) {
    return id == "canary" ? Labels{{"tier", "canary"}} : Labels{};
  }
  std::string TargetOf(const std::string& id) const {
    return plane_->snapshots.For({.id = id, .labels = LabelsOf(id)})->version;
  }
  void Connect(const std::string& id) {
    v1::DiscoveryRequest hello;
    hello.mutable_agent()->set_id(id);
    hello.set_version(runs_[id]);
    ASSERT_TRUE(plane_->agents.Connect(hello, LabelsOf(id), ++streams_).ok());
  }
  // Each runs what it is given.
  void Obey() {
    for (auto& [id, version] : runs_) {
      if (version == TargetOf(id)) continue;
      version = TargetOf(id);
      v1::DiscoveryRequest answer;
      answer.set_version(version);
      plane_->agents.Acknowledge(id, answer);
    }
  }

  template <class Condition>
  static bool Eventually(const Condition& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  bool Reaches(const std::string& state) {
    return Eventually([&] {
      Obey();
      return plane_->control.Status().rollout().state() == state;
    });
  }

  std::string directory_;
  std::unique_ptr<ControlPlane> plane_;
  uint64_t streams_ = 0;
  std::map<std::string, std::string> runs_;  // Version, by agent.
};

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
  std::vector<int64_t> wanted;
  plane_->control.OnTrafficWanted(
      [&wanted](std::chrono::milliseconds every) { wanted.push_back(every.count()); });
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
  plane_->control.OnTrafficWanted(nullptr);
  ASSERT_EQ(wanted.size(), 3u);
  EXPECT_EQ(wanted[0], 0);
  EXPECT_GT(wanted[1], 0);
  EXPECT_EQ(wanted[2], 0);
}

}  // namespace
}  // namespace apk

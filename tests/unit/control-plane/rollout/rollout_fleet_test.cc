// What is held against a change, and what is not.
#include "control-plane/rollout/rollout_fleet.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

SlicesPtr Slices(const std::string& version,
                 const std::vector<std::pair<std::string, std::string>>& resources) {
  auto snapshot = std::make_shared<SharedSnapshot>();
  snapshot->version = version;
  for (const auto& [name, hash] : resources) {
    v1::SnapshotResource resource;
    resource.set_name(name);
    resource.set_hash(hash);
    snapshot->resources.push_back(std::make_shared<const v1::SnapshotResource>(resource));
  }
  return std::make_shared<const SnapshotSlices>(std::move(snapshot));
}

const SlicesPtr kBefore = Slices("1", {{"listener/a", "x"}, {"listener/b", "x"}});
const SlicesPtr kAfter = Slices("2", {{"listener/a", "x"}, {"listener/b", "y"}});

v1::AgentStatus Status(const std::string& runs) {
  v1::AgentStatus status;
  status.set_id("agent");
  status.add_labels("tier=canary");
  status.set_snapshot_version(runs);
  return status;
}

void AddListenerError(const std::string& listener, v1::AgentStatus& status) {
  v1::AgentListenerError& error = *status.add_listener_errors();
  error.set_listener(listener);
  error.set_message("taken");
}

TEST(SeeAgent, TellsWhoRunsWhat) {
  const RolloutAgent before = SeeAgent(Status("1"), kBefore, kAfter);
  EXPECT_TRUE(before.concerned);
  EXPECT_FALSE(before.runs_it);
  EXPECT_EQ(before.labels.at("tier"), "canary");
  EXPECT_TRUE(SeeAgent(Status("2"), kBefore, kAfter).runs_it);
  EXPECT_FALSE(SeeAgent(Status("1"), kBefore, kBefore).concerned);
  EXPECT_FALSE(SeeAgent(Status("1"), nullptr, nullptr).runs_it);
}

TEST(SeeAgent, HasWhatTheAgentRefusesOfTheNewSnapshot) {
  v1::AgentStatus status = Status("1");
  status.set_last_error("no");
  status.set_refused_version("0");  // An older one.
  EXPECT_TRUE(SeeAgent(status, kBefore, kAfter).refusals.empty());
  status.set_refused_version("2");
  ASSERT_EQ(SeeAgent(status, kBefore, kAfter).refusals.size(), 1u);
  EXPECT_EQ(SeeAgent(status, kBefore, kAfter).refusals[0].message(), "no");
  v1::AgentResourceError& error = *status.add_resource_errors();
  error.set_resource("listener/b");
  error.set_message(std::string(10'000, 'x'));
  const RolloutAgent agent = SeeAgent(status, kBefore, kAfter);
  ASSERT_EQ(agent.refusals.size(), 1u);
  EXPECT_EQ(agent.refusals[0].resource(), "listener/b");
  EXPECT_LE(agent.refusals[0].message().size(), 500u);
  error.set_resource("listener/a");  // Which the change left as it was.
  EXPECT_EQ(SeeAgent(status, kBefore, kAfter).refusals.at(0).resource(), "");
}

TEST(SeeAgent, AListenerThatCanNotBeServedCountsWhereTheChangeIsAboutIt) {
  v1::AgentStatus status = Status("2");
  AddListenerError("listener/a", status);
  EXPECT_TRUE(SeeAgent(status, kBefore, kAfter).refusals.empty());
  AddListenerError("listener/b", status);
  ASSERT_EQ(SeeAgent(status, kBefore, kAfter).refusals.size(), 1u);
  EXPECT_EQ(SeeAgent(status, kBefore, kAfter).refusals[0].resource(), "listener/b");
  // It says so of what it ran before.
  status.set_snapshot_version("1");
  EXPECT_TRUE(SeeAgent(status, kBefore, kAfter).refusals.empty());
}

TEST(SeeAgent, AnAddressOfAnotherNodeIsNoRefusal) {
  v1::AgentStatus status = Status("2");
  AddListenerError("listener/b", status);
  status.mutable_listener_errors(0)->set_address("192.0.2.1");
  status.mutable_listener_errors(0)->set_address_unusable(true);
  EXPECT_TRUE(SeeAgent(status, kBefore, kAfter).refusals.empty());
}

TEST(SeeAgent, TrafficOfAnotherSnapshotDoesNotCount) {
  v1::AgentStatus status = Status("2");
  status.mutable_traffic()->set_version("1");
  status.mutable_traffic()->set_requests(9);
  EXPECT_EQ(SeeAgent(status, kBefore, kAfter).traffic.requests(), 0u);
  status.mutable_traffic()->set_version("2");
  EXPECT_EQ(SeeAgent(status, kBefore, kAfter).traffic.requests(), 9u);
}

class StageTrafficTest : public testing::Test {
 protected:
  uint64_t Cut(const std::string& version, uint64_t requests) {
    RolloutAgent agent;
    agent.id = "agent";
    agent.traffic.set_version(version);
    agent.traffic.set_requests(requests);
    std::vector<RolloutAgent> agents = {agent};
    traffic_.Cut(state_, agents);
    return agents[0].traffic.requests();
  }

  v1::StoredRollout state_;
  StageTraffic traffic_;
};

TEST_F(StageTrafficTest, CountsOthersFromTheBeginningOfTheStage) {
  EXPECT_EQ(Cut("1", 100), 0u);
  EXPECT_EQ(Cut("1", 130), 30u);
  state_.set_stage(1);
  EXPECT_EQ(Cut("1", 150), 0u);
  EXPECT_EQ(Cut("1", 160), 10u);
}

TEST_F(StageTrafficTest, AnAgentThatBeganAnewIsCountedFromThere) {
  EXPECT_EQ(Cut("1", 100), 0u);
  EXPECT_EQ(Cut("1", 3), 3u);
  EXPECT_EQ(Cut("1", 5), 5u);
  EXPECT_EQ(Cut("2", 4), 4u);
}

TEST_F(StageTrafficTest, MembersKeepWhatTheyTell) {
  state_.add_members()->set_agent(AgentKey("agent"));
  EXPECT_EQ(Cut("2", 7), 7u);
  EXPECT_EQ(Cut("2", 9), 9u);
}

}  // namespace
}  // namespace apk

// One fleet, whoever its agents are connected to.
#include "control-plane/discovery/agent_registry.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

v1::DiscoveryRequest Hello(const std::string& id, const std::string& version, uint64_t revision) {
  v1::DiscoveryRequest hello;
  hello.mutable_agent()->set_id(id);
  hello.mutable_agent()->set_address("127.0.0.1");
  hello.set_version(version);
  hello.set_revision(revision);
  return hello;
}

v1::AgentStatus Quoted(const std::string& id, bool connected, const std::string& since) {
  v1::AgentStatus status;
  status.set_id(id);
  status.set_connected(connected);
  status.set_connected_since(since);
  status.set_snapshot_version("v");
  status.set_address("127.0.0.2");
  return status;
}

TEST(AgentRegistry, ReportsAgentsOfAllControlPlanesAndQuotesItsOwn) {
  AgentRegistry registry;
  int changes = 0;
  int own_changes = 0;
  registry.OnChange([&] { ++changes; });
  registry.OnOwnChange([&] { ++own_changes; });
  ASSERT_TRUE(registry.Connect(Hello("a", "v", 1), {}, 1).ok());
  registry.SetElsewhere({Quoted("b", true, "2026-01-01T00:00:00Z")});
  registry.SetElsewhere({Quoted("b", true, "2026-01-01T00:00:00Z")});
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(own_changes, 1);
  ASSERT_EQ(registry.Report().groups.size(), 1u);
  EXPECT_EQ(registry.Report().groups[0].agents, 2);
  EXPECT_EQ(registry.Report().groups[0].addresses.size(), 2u);
  EXPECT_EQ(registry.List(SnapshotCache()).size(), 2u);
  ASSERT_EQ(registry.Own().size(), 1u);
  EXPECT_EQ(registry.Own().front().id(), "a");
  registry.SetElsewhere({});
  EXPECT_EQ(registry.Report().groups.at(0).agents, 1);
}

// It is stored, passed on to other control planes, and shown.
TEST(AgentRegistry, WhatAnAgentSaysIsBounded) {
  AgentRegistry registry;
  ASSERT_TRUE(registry.Connect(Hello("a", "v", 1), {}, 1).ok());
  v1::DiscoveryRequest request;
  request.set_error(std::string(1 << 20, 'x'));
  v1::ResourceError& error = *request.add_resource_errors();
  error.set_name(std::string(1 << 20, 'n'));
  error.set_message(std::string(999, 'x') + "\u00e9");
  registry.Reject("a", request, "w");
  for (int i = 0; i < 1000; ++i) *request.add_listener_errors() = error;
  v1::AgentStatus status = registry.Own().front();
  EXPECT_LE(status.ByteSizeLong(), 8000u);
  EXPECT_EQ(status.resource_errors(0).message(), std::string(999, 'x'));  // Whole characters.
  EXPECT_TRUE(v1::AgentStatus().ParseFromString(status.SerializeAsString()));
  registry.Acknowledge("a", request);
  v1::Traffic traffic;
  traffic.set_version(std::string(1 << 20, 'v'));
  registry.NoteTraffic("a", traffic);
  status = registry.Own().front();
  EXPECT_LE(status.listener_errors_size(), 100);
  EXPECT_LE(status.ByteSizeLong(), 200'000u);
}

TEST(AgentRegistry, AnAgentThatMovedIsWhereItCameLast) {
  AgentRegistry registry;
  registry.SetElsewhere({Quoted("a", true, "2026-01-01T00:00:00Z"),
                         Quoted("a", true, "2026-01-01T00:00:07Z"),
                         Quoted("a", false, "2026-01-01T00:00:09Z")});
  const SnapshotCache snapshots;
  ASSERT_EQ(registry.List(snapshots).size(), 1u);
  EXPECT_EQ(registry.List(snapshots).front().connected_since(), "2026-01-01T00:00:07Z");
  // It comes here, while its old control plane has not noticed yet.
  ASSERT_TRUE(registry.Connect(Hello("a", "w", 2), {}, 1).ok());
  EXPECT_EQ(registry.List(snapshots).front().snapshot_version(), "w");
  EXPECT_EQ(registry.Report().groups.at(0).agents, 1);
}

SlicesPtr ForEuropeAlone() {
  v1::SnapshotResource listener;
  listener.set_name("listener/default/eu/http");
  listener.mutable_listener()->set_gateway("default/eu");
  auto whole = std::make_shared<SharedSnapshot>();
  whole->resources.push_back(Seal(std::move(listener)));
  whole->version = VersionOf(whole->resources);
  const AgentSelector europe{.text = "region=eu", .labels = *LabelSelector::Parse("region=eu")};
  whole->scopes = {{.gateway = "default/eu", .agents = europe}};
  return std::make_shared<const SnapshotSlices>(whole);
}

TEST(AgentRegistry, AnAgentIsUpToDateWithWhatIsForIt) {
  SnapshotCache snapshots;
  snapshots.Publish(ForEuropeAlone());
  const std::string whole = snapshots.Newest()->version;
  const std::string rest = snapshots.For({.id = "us", .labels = {{"region", "us"}}})->version;
  EXPECT_NE(whole, rest);
  AgentRegistry registry;
  ASSERT_TRUE(registry.Connect(Hello("eu", whole, 1), {{"region", "eu"}}, 1).ok());
  ASSERT_TRUE(registry.Connect(Hello("us", whole, 1), {{"region", "us"}}, 2).ok());
  EXPECT_EQ(registry.Report().groups.size(), 2u);
  std::vector<v1::AgentStatus> list = registry.List(snapshots);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_TRUE(list[0].up_to_date());
  EXPECT_EQ(list[0].labels(0), "region=eu");
  EXPECT_FALSE(list[1].up_to_date());
  EXPECT_EQ(list[1].newest_version(), rest);
  registry.Relabel("us", {{"region", "eu"}});
  list = registry.List(snapshots);
  EXPECT_TRUE(list[1].up_to_date());
  EXPECT_EQ(registry.Report().groups.size(), 1u);
}

}  // namespace
}  // namespace apk

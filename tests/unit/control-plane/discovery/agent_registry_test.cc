// One fleet, whoever its agents are connected to.
#include "control-plane/discovery/agent_registry.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

v1::AgentInfo Info(const std::string& id) {
  v1::AgentInfo info;
  info.set_id(id);
  info.set_address("127.0.0.1");
  return info;
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
  ASSERT_TRUE(registry.Connect(Info("a"), 1, "v", 1).ok());
  registry.SetElsewhere({Quoted("b", true, "2026-01-01T00:00:00Z")});
  registry.SetElsewhere({Quoted("b", true, "2026-01-01T00:00:00Z")});
  EXPECT_EQ(changes, 2);
  EXPECT_EQ(own_changes, 1);
  EXPECT_EQ(registry.Report().agents_connected, 2);
  EXPECT_EQ(registry.Report().agent_addresses.size(), 2u);
  EXPECT_EQ(registry.List("v").size(), 2u);
  ASSERT_EQ(registry.Own().size(), 1u);
  EXPECT_EQ(registry.Own().front().id(), "a");
  registry.SetElsewhere({});
  EXPECT_EQ(registry.Report().agents_connected, 1);
}

TEST(AgentRegistry, AnAgentThatMovedIsWhereItCameLast) {
  AgentRegistry registry;
  registry.SetElsewhere({Quoted("a", true, "2026-01-01T00:00:00Z"),
                         Quoted("a", true, "2026-01-01T00:00:07Z"),
                         Quoted("a", false, "2026-01-01T00:00:09Z")});
  ASSERT_EQ(registry.List("v").size(), 1u);
  EXPECT_EQ(registry.List("v").front().connected_since(), "2026-01-01T00:00:07Z");
  // It comes here, while its old control plane has not noticed yet.
  ASSERT_TRUE(registry.Connect(Info("a"), 1, "w", 2).ok());
  EXPECT_EQ(registry.List("w").front().snapshot_version(), "w");
  EXPECT_EQ(registry.Report().agents_connected, 1);
}

}  // namespace
}  // namespace apk

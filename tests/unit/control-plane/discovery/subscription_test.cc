// The protocol of one stream, without a stream.
#include "control-plane/discovery/subscription.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

SnapshotPtr MakeSnapshot(const std::string& version,
                         const std::vector<std::pair<std::string, std::string>>& resources) {
  auto snapshot = std::make_shared<SharedSnapshot>();
  snapshot->version = version;
  for (const auto& [name, hash] : resources) {
    v1::SnapshotResource resource;
    resource.set_name(name);
    resource.set_hash(hash);
    snapshot->resources.push_back(std::make_shared<const v1::SnapshotResource>(resource));
  }
  return snapshot;
}

v1::DiscoveryRequest Ack(const v1::DiscoveryResponse& response) {
  v1::DiscoveryRequest request;
  request.set_response_nonce(response.nonce());
  request.set_version(response.version());
  return request;
}

v1::DiscoveryRequest Nack(const v1::DiscoveryResponse& response) {
  v1::DiscoveryRequest request = Ack(response);
  request.set_error("no");
  return request;
}

TEST(Subscription, SendsTheWholeSnapshotToANewAgentAndNothingToOneThatHasIt) {
  Subscription fresh;
  const auto response = fresh.OnHello({}, MakeSnapshot("1", {{"a", "x"}}));
  ASSERT_TRUE(response.has_value());
  EXPECT_TRUE(response->full());
  EXPECT_EQ(response->resources_size(), 1);

  Subscription known;
  v1::DiscoveryRequest hello;
  hello.set_version("1");
  EXPECT_FALSE(known.OnHello(hello, MakeSnapshot("1", {{"a", "x"}})).has_value());
}

TEST(Subscription, SendsOnlyWhatChangedSinceWhatWasAcknowledged) {
  Subscription agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {{"a", "x"}, {"b", "x"}, {"c", "x"}}));
  EXPECT_TRUE(agent.OnAnswer(Ack(*first)).accepted);
  const auto second = agent.OnPublish(MakeSnapshot("2", {{"a", "x"}, {"b", "y"}, {"d", "x"}}));
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(second->full());
  ASSERT_EQ(second->resources_size(), 2);
  EXPECT_EQ(second->resources(0).name(), "b");
  EXPECT_EQ(second->resources(1).name(), "d");
  ASSERT_EQ(second->removed_size(), 1);
  EXPECT_EQ(second->removed(0), "c");
}

TEST(Subscription, SkipsVersionsWhileAResponseIsInFlight) {
  Subscription agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {}));
  EXPECT_FALSE(agent.OnPublish(MakeSnapshot("2", {})).has_value());
  EXPECT_FALSE(agent.OnPublish(MakeSnapshot("3", {})).has_value());
  const Subscription::Answer answer = agent.OnAnswer(Ack(*first));
  ASSERT_TRUE(answer.next.has_value());
  EXPECT_EQ(answer.next->version(), "3");
}

TEST(Subscription, IgnoresAnswersToWhatIsNotInFlight) {
  Subscription agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {}));
  v1::DiscoveryRequest stale = Ack(*first);
  stale.set_response_nonce("99");
  EXPECT_TRUE(agent.OnAnswer(stale).stale);
  EXPECT_EQ(agent.acknowledged(), "");
  EXPECT_TRUE(agent.OnAnswer(Ack(*first)).accepted);
  EXPECT_TRUE(agent.OnAnswer(Ack(*first)).stale);
}

TEST(Subscription, NeverSendsARefusedVersionAgainAndGoesOnWithTheNext) {
  Subscription agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {{"a", "x"}}));
  agent.OnAnswer(Ack(*first));
  const auto second = agent.OnPublish(MakeSnapshot("2", {{"a", "y"}}));
  const Subscription::Answer refused = agent.OnAnswer(Nack(*second));
  EXPECT_FALSE(refused.accepted);
  EXPECT_FALSE(refused.next.has_value());
  EXPECT_EQ(agent.acknowledged(), "1");
  EXPECT_FALSE(agent.OnPublish(MakeSnapshot("2", {{"a", "y"}})).has_value());
  const auto third = agent.OnPublish(MakeSnapshot("3", {{"a", "z"}}));
  ASSERT_TRUE(third.has_value());
  EXPECT_FALSE(third->full());  // Against version 1, which the agent still runs.
}

TEST(Subscription, AnAgentWithAForeignVersionGetsTheWhole) {
  Subscription agent;
  v1::DiscoveryRequest hello;
  hello.set_version("of another day");
  const auto response = agent.OnHello(hello, MakeSnapshot("1", {}));
  ASSERT_TRUE(response.has_value());
  EXPECT_TRUE(response->full());
}

TEST(Subscription, KnowsAnAgentThatHasSeenMoreOfTheSameHistory) {
  auto newest = std::make_shared<SharedSnapshot>();
  newest->version = "7";
  newest->revision = 7;
  v1::DiscoveryRequest hello;
  hello.set_store("s");
  hello.set_revision(8);
  EXPECT_TRUE(Subscription("s").IsAhead(hello, newest));
  EXPECT_FALSE(Subscription("another").IsAhead(hello, newest));
  EXPECT_FALSE(Subscription().IsAhead(hello, newest));
  hello.set_revision(7);
  EXPECT_FALSE(Subscription("s").IsAhead(hello, newest));
  EXPECT_EQ(Subscription("s").OnHello({}, newest)->store(), "s");
}

}  // namespace
}  // namespace apk

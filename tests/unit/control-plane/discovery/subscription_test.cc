// The protocol of one stream, without a stream.
#include "control-plane/discovery/subscription.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot_version.h"
#include "tests/proof/plain_subscription.h"

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

using Agent = proof::PlainSubscription;

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
  Agent fresh;
  const auto response = fresh.OnHello({}, MakeSnapshot("1", {{"a", "x"}}));
  ASSERT_TRUE(response.has_value());
  EXPECT_TRUE(response->full());
  EXPECT_EQ(response->resources_size(), 1);

  Agent known;
  v1::DiscoveryRequest hello;
  hello.set_version("1");
  EXPECT_FALSE(known.OnHello(hello, MakeSnapshot("1", {{"a", "x"}})).has_value());
}

v1::DiscoveryRequest HelloWith(const std::string& version) {
  v1::DiscoveryRequest hello;
  hello.set_version(version);
  hello.set_can_tell_held(true);
  return hello;
}

v1::DiscoveryRequest Tell(const v1::DiscoveryResponse& question,
                          const std::vector<std::string>& hashes) {
  v1::DiscoveryRequest request;
  request.set_response_nonce(question.nonce());
  for (const std::string& hash : hashes) {
    request.mutable_held()->add_fingerprints(FingerprintOf(hash));
  }
  return request;
}

TEST(Subscription, SendsTheDifferenceToWhatAnAgentTellsThatItHolds) {
  Agent agent;
  const auto question =
      agent.OnHello(HelloWith("old"), MakeSnapshot("2", {{"a", "hash-a-1"}, {"b", "hash-b-2"}}));
  ASSERT_TRUE(question.has_value());
  EXPECT_TRUE(question->held_wanted());
  EXPECT_EQ(question->resources_size(), 0);
  // What is published meanwhile waits for the answer.
  const auto newest = MakeSnapshot("3", {{"a", "hash-a-1"}, {"b", "hash-b-2"}, {"c", "hash-c-1"}});
  EXPECT_FALSE(agent.OnPublish(newest).has_value());

  const auto answer = agent.OnAnswer(Tell(*question, {"hash-a-1", "hash-b-1", "hash-d-1"}));
  EXPECT_TRUE(answer.told);
  ASSERT_TRUE(answer.next.has_value());
  EXPECT_FALSE(answer.next->full());
  EXPECT_EQ(answer.next->version(), "3");
  ASSERT_EQ(answer.next->resources_size(), 2);
  EXPECT_EQ(answer.next->resources(0).name(), "b");
  EXPECT_EQ(answer.next->resources(1).name(), "c");
  EXPECT_THAT(answer.next->removed_held(),
              testing::UnorderedElementsAre(FingerprintOf("hash-b-1"), FingerprintOf("hash-d-1")));

  EXPECT_TRUE(agent.OnAnswer(Ack(*answer.next)).accepted);
  const auto next = agent.OnPublish(MakeSnapshot("4", {{"a", "hash-a-1"}, {"b", "hash-b-2"}}));
  ASSERT_TRUE(next.has_value());
  ASSERT_EQ(next->removed_size(), 1);
  EXPECT_EQ(next->removed(0), "c");
}

TEST(Subscription, AsksNobodyWhoHasItOrNothing) {
  Agent current;
  EXPECT_FALSE(current.OnHello(HelloWith("1"), MakeSnapshot("1", {{"a", "x"}})).has_value());
  Agent fresh;
  const auto response = fresh.OnHello(HelloWith(""), MakeSnapshot("1", {{"a", "x"}}));
  ASSERT_TRUE(response.has_value());
  EXPECT_TRUE(response->full());
}

TEST(Subscription, SendsTheWholeToAnAgentThatWantsIt) {
  Agent agent;
  const auto newest = MakeSnapshot("2", {{"a", "hash-a-2"}});
  const auto question = agent.OnHello(HelloWith("1"), newest);
  const auto difference = agent.OnAnswer(Tell(*question, {"hash-a-1"})).next;
  v1::DiscoveryRequest refusal = Nack(*difference);
  refusal.set_whole_wanted(true);
  const auto whole = agent.OnAnswer(refusal).next;
  ASSERT_TRUE(whole.has_value());
  EXPECT_TRUE(whole->full());
  // Once only: a whole snapshot that is not what it should be is refused for
  // good.
  refusal.set_response_nonce(whole->nonce());
  EXPECT_FALSE(agent.OnAnswer(refusal).next.has_value());
}

TEST(Subscription, AsksAgainBeforeTheNextDifferenceWhereTheFirstWasRefused) {
  Agent agent;
  const auto question = agent.OnHello(HelloWith("1"), MakeSnapshot("2", {{"a", "hash-a-2"}}));
  const auto difference = agent.OnAnswer(Tell(*question, {"hash-a-1"})).next;
  EXPECT_FALSE(agent.OnAnswer(Nack(*difference)).next.has_value());
  const auto again = agent.OnPublish(MakeSnapshot("3", {{"a", "hash-a-3"}}));
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->held_wanted());
  const auto next = agent.OnAnswer(Tell(*again, {"hash-a-1"})).next;
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->version(), "3");
  EXPECT_FALSE(next->full());
}

TEST(Subscription, SendsAFleetTheSameBytes) {
  DifferenceCache differences;
  const SnapshotPtr before = MakeSnapshot("1", {{"a", "hash-a-1"}});
  const SnapshotPtr after = MakeSnapshot("2", {{"a", "hash-a-2"}});
  std::vector<EncodedDifferencePtr> sent;
  std::vector<std::unique_ptr<Subscription>> agents;
  for (int i = 0; i < 3; ++i) {
    Subscription& agent = *agents.emplace_back(std::make_unique<Subscription>(differences));
    const auto whole = agent.OnHello({}, before);
    sent.push_back(whole->difference);
    EXPECT_TRUE(agent.OnAnswer(Ack(*Agent::Read(whole))).accepted);
  }
  for (const auto& agent : agents) sent.push_back(agent->OnPublish(after)->difference);
  EXPECT_EQ(sent[0], sent[2]);
  EXPECT_EQ(sent[3], sent[5]);
  EXPECT_NE(sent[0], sent[3]);
}

TEST(Subscription, SendsOnlyWhatChangedSinceWhatWasAcknowledged) {
  Agent agent;
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
  Agent agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {}));
  EXPECT_FALSE(agent.OnPublish(MakeSnapshot("2", {})).has_value());
  EXPECT_FALSE(agent.OnPublish(MakeSnapshot("3", {})).has_value());
  const Agent::Answer answer = agent.OnAnswer(Ack(*first));
  ASSERT_TRUE(answer.next.has_value());
  EXPECT_EQ(answer.next->version(), "3");
}

TEST(Subscription, IgnoresAnswersToWhatIsNotInFlight) {
  Agent agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {}));
  v1::DiscoveryRequest stale = Ack(*first);
  stale.set_response_nonce("99");
  EXPECT_TRUE(agent.OnAnswer(stale).stale);
  EXPECT_EQ(agent.acknowledged(), "");
  EXPECT_TRUE(agent.OnAnswer(Ack(*first)).accepted);
  EXPECT_TRUE(agent.OnAnswer(Ack(*first)).stale);
}

TEST(Subscription, NeverSendsARefusedVersionAgainAndGoesOnWithTheNext) {
  Agent agent;
  const auto first = agent.OnHello({}, MakeSnapshot("1", {{"a", "x"}}));
  agent.OnAnswer(Ack(*first));
  const auto second = agent.OnPublish(MakeSnapshot("2", {{"a", "y"}}));
  const Agent::Answer refused = agent.OnAnswer(Nack(*second));
  EXPECT_FALSE(refused.accepted);
  EXPECT_FALSE(refused.next.has_value());
  EXPECT_EQ(agent.acknowledged(), "1");
  EXPECT_FALSE(agent.OnPublish(MakeSnapshot("2", {{"a", "y"}})).has_value());
  const auto third = agent.OnPublish(MakeSnapshot("3", {{"a", "z"}}));
  ASSERT_TRUE(third.has_value());
  EXPECT_FALSE(third->full());  // Against version 1, which the agent still runs.
}

TEST(Subscription, AnAgentWithAForeignVersionGetsTheWhole) {
  Agent agent;
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
  EXPECT_TRUE(Agent("s").IsAhead(hello, newest));
  EXPECT_FALSE(Agent("another").IsAhead(hello, newest));
  EXPECT_FALSE(Agent().IsAhead(hello, newest));
  hello.set_revision(7);
  EXPECT_FALSE(Agent("s").IsAhead(hello, newest));
  EXPECT_EQ(Agent("s").OnHello({}, newest)->store(), "s");
}

}  // namespace
}  // namespace apk

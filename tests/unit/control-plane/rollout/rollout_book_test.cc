// What is written over what.
#include "control-plane/rollout/rollout_book.h"

#include <gtest/gtest.h>

#include "tests/unit/control-plane/identity/memory_records.h"

namespace apk {
namespace {

using State = v1::StoredRollout;

State UnderWay(uint64_t number) {
  State state;
  state.set_number(number);
  state.set_state(State::PROGRESSING);
  return state;
}

class RolloutBookTest : public testing::Test {
 protected:
  absl::Status Write(RolloutBook& book, const State& state) {
    return book.WriteAsLeader(*book.Now(), {.policy = {}, .state = state});
  }

  MemoryRecords records_;
  RolloutBook book_{records_};
};

TEST_F(RolloutBookTest, AnotherOneReadsWhatIsWritten) {
  v1::StoredRolloutPolicy policy;
  policy.mutable_policy()->add_stages()->set_share("10%");
  ASSERT_TRUE(book_
                  .Change([&](const RolloutPage&) {
                    return RolloutChange{.policy = policy, .state = UnderWay(1)};
                  })
                  .ok());
  EXPECT_TRUE(book_.Now()->has_policy());
  RolloutBook other(records_);
  EXPECT_FALSE(other.Now()->has_policy());
  ASSERT_TRUE(other.Load().ok());
  EXPECT_TRUE(other.Now()->has_policy());
  EXPECT_EQ(other.Now()->state.number(), 1u);
}

TEST_F(RolloutBookTest, WhoHasNotSeenTheNewestDoesNotWriteButReadsIt) {
  RolloutBook other(records_);
  ASSERT_TRUE(Write(book_, UnderWay(1)).ok());
  EXPECT_TRUE(absl::IsAborted(Write(other, UnderWay(2))));
  EXPECT_EQ(other.Now()->state.number(), 1u);
  EXPECT_TRUE(Write(other, UnderWay(2)).ok());
}

TEST_F(RolloutBookTest, AChangeIsDecidedAnewWhereOthersWereFaster) {
  records_.before_write = [this] {
    RolloutBook other(records_);
    ASSERT_TRUE(other.Load().ok());
    ASSERT_TRUE(Write(other, UnderWay(7)).ok());
  };
  ASSERT_TRUE(book_
                  .Change([](const RolloutPage& page) {
                    State next = page.state;
                    next.set_paused_ms(5);
                    return RolloutChange{.policy = {}, .state = next};
                  })
                  .ok());
  EXPECT_EQ(book_.Now()->state.number(), 7u);
  EXPECT_EQ(book_.Now()->state.paused_ms(), 5);
}

TEST_F(RolloutBookTest, WhatIsRefusedChangesNothing) {
  EXPECT_FALSE(book_
                   .Change([](const RolloutPage&) -> absl::StatusOr<RolloutChange> {
                     return absl::FailedPreconditionError("no");
                   })
                   .ok());
  EXPECT_TRUE(records_.ReadAll()->records.empty());
}

TEST_F(RolloutBookTest, ARolloutThatEndsGoesIntoTheHistory) {
  for (uint64_t number = 1; number <= 60; ++number) {
    State state = UnderWay(number);
    ASSERT_TRUE(Write(book_, state).ok());
    state.set_state(State::FAILED);
    state.set_reason("because");
    ASSERT_TRUE(Write(book_, state).ok());
  }
  ASSERT_EQ(book_.Now()->history.rollouts_size(), 50);
  EXPECT_EQ(book_.Now()->history.rollouts(0).number(), 60u);
  EXPECT_EQ(book_.Now()->history.rollouts(0).state(), "Failed");
  EXPECT_EQ(book_.Now()->history.rollouts(0).reason(), "because");
}

TEST_F(RolloutBookTest, TellsWhatIsNewAndOnlyThat) {
  int told = 0;
  ASSERT_TRUE(Write(book_, UnderWay(1)).ok());
  const Record newest = records_.Read({"rollout/state"})->at(0);
  book_.OnChange([&told] { ++told; });
  book_.Take(newest);
  EXPECT_EQ(told, 0);
  Record newer = newest;
  newer.value = UnderWay(2).SerializeAsString();
  ++newer.version;
  book_.Take(newer);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(book_.Now()->state.number(), 2u);
  book_.Take(newest);  // Late.
  EXPECT_EQ(book_.Now()->state.number(), 2u);
  EXPECT_TRUE(RolloutBook::IsKey("rollout/state"));
  EXPECT_FALSE(RolloutBook::IsKey("token/rollout"));
}

TEST_F(RolloutBookTest, ABackupHasThePolicyAndWhatIsHeldBackAndNoRollout) {
  RolloutChange change{.policy = v1::StoredRolloutPolicy(), .state = UnderWay(3)};
  change.policy->mutable_policy()->add_stages()->set_share("10%");
  change.held.emplace();
  change.held->set_last_id(2);
  change.held->add_objects()->set_id(1);
  change.held->mutable_objects(0)->set_lifted(true);
  change.held->add_objects()->set_id(2);
  change.held->mutable_bisection()->set_agent("a");
  ASSERT_TRUE(book_.WriteAsLeader(*book_.Now(), change).ok());
  MemoryRecords others;
  ASSERT_TRUE(ImportRollouts(others, book_.Export()).ok());
  RolloutBook restored(others);
  ASSERT_TRUE(restored.Load().ok());
  EXPECT_TRUE(restored.Now()->has_policy());
  EXPECT_EQ(restored.Now()->state.number(), 0u);
  ASSERT_EQ(restored.Now()->held.objects_size(), 1);
  EXPECT_EQ(restored.Now()->held.objects(0).id(), 2u);
  EXPECT_EQ(restored.Now()->held.last_id(), 2u);
  EXPECT_FALSE(restored.Now()->held.has_bisection());
  EXPECT_TRUE(RolloutBook(others).Export().empty());  // It was not read.
}

}  // namespace
}  // namespace apk

// What is held back, as the store has it; and whom a refusal is blamed on.
#include "control-plane/rollout/quarantine.h"

#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"
#include "control-plane/rollout/rollout.h"

namespace apk {
namespace {

ResourcePtr Make(const std::string& name, const std::string& value) {
  auto object = std::make_shared<v1::ConfigMap>();
  object->mutable_metadata()->set_name(name);
  object->mutable_metadata()->set_namespace_("default");
  (*object->mutable_data())["value"] = value;
  return object;
}

std::string ValueIn(const ResourceSet& resources, const std::string& name) {
  const auto* const object = resources.Find<v1::ConfigMap>("default", name);
  return object == nullptr ? "none" : object->data().at("value");
}

class QuarantineRecordTest : public testing::Test {
 protected:
  QuarantineRecordTest() {
    accepted_.Put(Make("a", "good"));
    accepted_.Put(Make("gone", "good"));
    refused_.Put(Make("a", "bad"));
    refused_.Put(Make("new", "bad"));
  }
  bool Hold(const std::vector<std::string>& names) {
    std::vector<RefusedObject> objects;
    for (const std::string& name : names) {
      objects.push_back(
          {.key = {.group = "", .kind = "ConfigMap", .namespace_name = "default", .name = name},
           .agent = "canary",
           .message = "no"});
    }
    return HoldBack({.revision = 8,
                     .accepted_revision = 7,
                     .rollout = 1,
                     .agents = 1,
                     .resources = &refused_,
                     .accepted = &accepted_},
                    objects, state_, applying_, 1000, held_);
  }

  ResourceSet accepted_;
  ResourceSet refused_;
  v1::StoredHeld held_;
  v1::StoredRollout state_;
  std::vector<uint64_t> applying_;  // Apart from what is refused now.
};

TEST_F(QuarantineRecordTest, WhatIsRefusedIsWhatItWasWhereverItIsThat) {
  ASSERT_TRUE(Hold({"a", "new", "gone"}));
  v1::StoredHeld stored;
  ASSERT_TRUE(stored.ParseFromString(held_.SerializeAsString()));
  ResourceSet resources = refused_;
  EXPECT_EQ(HoldBackIn(resources, InForce(stored)), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(ValueIn(resources, "a"), "good");
  EXPECT_EQ(ValueIn(resources, "new"), "none");
  EXPECT_EQ(ValueIn(resources, "gone"), "good");
  // Another version is none of it.
  resources = refused_;
  resources.Put(Make("a", "mended"));
  resources.Put(Make("gone", "back"));
  EXPECT_EQ(HoldBackIn(resources, InForce(stored)), (std::vector<uint64_t>{2}));
  EXPECT_EQ(ValueIn(resources, "a"), "mended");
  EXPECT_EQ(ValueIn(resources, "gone"), "back");
}

TEST_F(QuarantineRecordTest, AStatusOrATimeMakesNoOtherContent) {
  ASSERT_TRUE(Hold({"a"}));
  auto later = std::make_shared<v1::ConfigMap>(*refused_.Find<v1::ConfigMap>("default", "a"));
  later->mutable_metadata()->set_resource_version("99");
  later->mutable_metadata()->set_uid("another");
  refused_.Put(later);
  EXPECT_EQ(HeldIn(refused_, InForce(held_)).size(), 1u);
  later = std::make_shared<v1::ConfigMap>(*later);
  (*later->mutable_metadata()->mutable_labels())["app"] = "x";
  refused_.Put(later);
  EXPECT_TRUE(HeldIn(refused_, InForce(held_)).empty());
}

TEST_F(QuarantineRecordTest, WhatIsLiftedIsKeptForThoseThatBeganWithIt) {
  ASSERT_TRUE(Hold({"a"}));
  v1::StoredRollout state;
  state.add_promoted_held(1);
  LiftAll(held_);
  EXPECT_TRUE(InForce(held_).empty());
  EXPECT_FALSE(AnythingInForce(held_));
  EXPECT_EQ(ObjectsOf(held_, state.promoted_held()).size(), 1u);
  EXPECT_FALSE(Forget(state, {}, 2000, held_));
  state.clear_promoted_held();
  EXPECT_TRUE(Forget(state, {}, 2000, held_));
  EXPECT_TRUE(held_.objects().empty());
}

TEST_F(QuarantineRecordTest, ARefusedVersionIsRememberedForAWhile) {
  ASSERT_TRUE(Hold({"a"}));
  EXPECT_FALSE(Forget({}, {1}, 1'000'000'000, held_));  // It is what is newest.
  EXPECT_FALSE(Forget({}, {}, 600'000, held_));
  EXPECT_TRUE(Forget({}, {}, 602'000, held_));
}

TEST_F(QuarantineRecordTest, ItIsBounded) {
  for (int i = 0; i < kHeldObjectsMax; ++i) {
    refused_.Put(Make("a", std::to_string(i)));
    ASSERT_TRUE(Hold({"a"}));
    applying_.push_back(held_.last_id());
  }
  const std::string before = held_.SerializeAsString();
  refused_.Put(Make("a", "one more"));
  EXPECT_FALSE(Hold({"a"}));
  EXPECT_EQ(held_.SerializeAsString(), before);
  // What does not apply makes room, the oldest first, unless a rollout goes by it.
  applying_.erase(applying_.begin(), applying_.begin() + 3);
  state_.add_promoted_held(1);
  EXPECT_TRUE(Hold({"a"}));
  EXPECT_EQ(held_.objects_size(), kHeldObjectsMax);
  EXPECT_EQ(held_.objects(0).id(), 1u);
  EXPECT_EQ(held_.objects(1).id(), 3u);
  EXPECT_EQ(held_.objects(kHeldObjectsMax - 1).id(), 51u);
  // So does what was lifted.
  LiftAll(held_);
  refused_.Put(Make("a", "another one"));
  EXPECT_TRUE(Hold({"a"}));
  held_.Clear();
  accepted_.Put(Make("a", std::string(kHeldBytesMax, 'x')));
  EXPECT_FALSE(Hold({"a"}));
  EXPECT_TRUE(held_.objects().empty());
}

TEST_F(QuarantineRecordTest, NoIdIsGivenTwiceWhereABackupIsTakenOver) {
  ASSERT_TRUE(Hold({"a"}));
  v1::StoredHeld here;
  here.set_last_id(7);
  TakeOver(held_, 5000, here);
  ASSERT_EQ(here.objects_size(), 1);
  EXPECT_EQ(here.objects(0).id(), 8u);
  EXPECT_EQ(here.objects(0).since_ms(), 5000);
  EXPECT_EQ(here.last_id(), 8u);
  held_.set_last_id(20);
  here.Clear();
  TakeOver(held_, 5000, here);
  EXPECT_EQ(here.objects(0).id(), 21u);
  EXPECT_EQ(here.last_id(), 21u);
}

TEST_F(QuarantineRecordTest, UsersSeeWhatIsHeldBackOfTheNewest) {
  ASSERT_TRUE(Hold({"a", "new"}));
  const std::vector<v1::HeldObject> seen = ToProto(held_, {2});
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].name(), "new");
  EXPECT_TRUE(seen[0].absent());
  EXPECT_EQ(seen[0].revision(), 8u);
  EXPECT_EQ(WhyHeld(held_.objects(0)),
            "agent canary: no; agents go on with what it was at revision 7");
}

TEST(OpinionOf, OneOfManyIsOdd) {
  const auto of = [](size_t refuse, size_t run, size_t pending = 0) {
    return OpinionOf({.refuse = refuse, .run = run, .pending = pending}, 1, 1 + kOpinionMs);
  };
  EXPECT_EQ(of(0, 5), Opinion::kNone);
  EXPECT_EQ(of(1, 0), Opinion::kRefused);
  EXPECT_EQ(of(1, 1), Opinion::kRefused);
  EXPECT_EQ(of(1, 2), Opinion::kOdd);
  EXPECT_EQ(of(2, 30), Opinion::kRefused);
  EXPECT_EQ(of(2, 38), Opinion::kOdd);
  EXPECT_EQ(of(3, 3), Opinion::kRefused);
  EXPECT_EQ(of(1, 2, 5), Opinion::kOdd);  // They had their time.
}

TEST(OpinionOf, OthersAreWaitedForForAWhile) {
  const Answers answers{.refuse = 1, .run = 0, .pending = 3};
  EXPECT_EQ(OpinionOf(answers, 0, 1'000'000), Opinion::kUndecided);
  EXPECT_EQ(OpinionOf(answers, 1'000'000, 1'000'000 + kOpinionMs - 1), Opinion::kUndecided);
  EXPECT_EQ(OpinionOf(answers, 1'000'000, 1'000'000 + kOpinionMs), Opinion::kRefused);
  EXPECT_EQ(OpinionOf({.refuse = 1, .run = 0, .pending = 0}, 0, 1), Opinion::kRefused);
}

}  // namespace
}  // namespace apk

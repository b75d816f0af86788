#include "data-plane/upstream/endpoint_health.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class EndpointHealthTest : public testing::Test {
 protected:
  // Fails so often in a row; for how long that ejects it.
  std::optional<milliseconds> Fail(size_t endpoint, int times, uint64_t random = 0) {
    std::optional<milliseconds> time;
    for (int i = 0; i < times; ++i) time = health_.OnFailure(endpoint, policy_, now_, random);
    return time;
  }
  size_t Ejected(size_t endpoints) const {
    size_t ejected = 0;
    for (size_t i = 0; i < endpoints; ++i) ejected += health_.IsEjected(i, now_) ? 1 : 0;
    return ejected;
  }

  EjectionPolicy policy_;
  EndpointHealth health_{40};
  TimePoint now_{seconds(1000)};
};

TEST_F(EndpointHealthTest, EjectsAfterFiveFailuresInARow) {
  EXPECT_EQ(Fail(0, 4), std::nullopt);
  health_.OnSuccess(0);
  EXPECT_EQ(Fail(0, 4), std::nullopt);
  EXPECT_FALSE(health_.IsUnsettled(0));
  EXPECT_EQ(Fail(0, 1), seconds(30));
  EXPECT_TRUE(health_.IsUnsettled(0));
  EXPECT_TRUE(health_.IsEjected(0, now_));
  EXPECT_FALSE(health_.IsEjected(1, now_));
  now_ += seconds(30) - milliseconds(1);
  EXPECT_TRUE(health_.IsEjected(0, now_));
  now_ += milliseconds(1);
  EXPECT_FALSE(health_.IsEjected(0, now_));
}

TEST_F(EndpointHealthTest, WhatWasUnderWayWhenItIsUnsettledProlongsNothing) {
  Fail(0, 5);
  EXPECT_EQ(Fail(0, 100), std::nullopt);
  now_ += seconds(30);
  EXPECT_FALSE(health_.IsEjected(0, now_));
}

TEST_F(EndpointHealthTest, TheTimeGrowsToFiveMinutes) {
  for (const int time : {30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300}) {
    ASSERT_EQ(Fail(0, 5), seconds(time));
    now_ += seconds(time);
  }
}

TEST_F(EndpointHealthTest, AnEjectionIsLivedDownInTheTimeOfTheFirst) {
  for (const int time : {30, 60, 90}) {
    Fail(0, 5);
    now_ += seconds(time);
  }
  now_ += seconds(60);
  EXPECT_EQ(Fail(0, 5), seconds(60)) << "the second, by now";
  now_ += std::chrono::hours(1);
  EXPECT_EQ(Fail(0, 5), seconds(30));
}

TEST_F(EndpointHealthTest, AddsUpToATenthByChance) {
  EXPECT_EQ(Fail(0, 5, 1234), milliseconds(31234));
  EXPECT_EQ(Fail(1, 5, 3000), seconds(33));
  EXPECT_EQ(Fail(2, 5, 3001), seconds(30));
}

TEST_F(EndpointHealthTest, EjectsNoMoreThanATenth) {
  for (size_t i = 0; i < 40; ++i) Fail(i, 5);
  EXPECT_EQ(Ejected(40), 4u);
  now_ += seconds(60);
  EXPECT_EQ(Ejected(40), 0u);
  EXPECT_EQ(Fail(39, 1), seconds(30)) << "it still fails, and there is room now";
}

TEST_F(EndpointHealthTest, OneOfTwoMayBeEjectedButNeverTheLast) {
  EndpointHealth two(2);
  const auto fail = [&](size_t endpoint) {
    std::optional<milliseconds> time;
    for (int i = 0; i < 5; ++i) time = two.OnFailure(endpoint, policy_, now_, 0);
    return time;
  };
  policy_.percent_max = 100;
  EXPECT_NE(fail(0), std::nullopt);
  EXPECT_EQ(fail(1), std::nullopt);
  EndpointHealth one(1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(one.OnFailure(0, policy_, now_, 0), std::nullopt);
}

TEST_F(EndpointHealthTest, TheLastThatPassesItsHealthChecksStays) {
  policy_.percent_max = 100;
  for (size_t i = 1; i < 40; ++i) health_.SetUp(i, false, now_);
  EXPECT_EQ(Fail(0, 5), std::nullopt);
  health_.SetUp(7, true, now_);
  EXPECT_EQ(Fail(0, 1), seconds(30));
}

TEST_F(EndpointHealthTest, CanBeTurnedOff) {
  policy_.failures = 0;
  EXPECT_EQ(Fail(0, 1000), std::nullopt);
}

TEST_F(EndpointHealthTest, OneThatComesBackGrowsIntoItsShare) {
  constexpr seconds kRamp(10);
  EXPECT_EQ(health_.Share(0, now_, kRamp), 100u) << "nothing ever happened to it";
  health_.SetUp(0, false, now_);
  now_ += seconds(100);
  health_.SetUp(0, true, now_);
  EXPECT_EQ(health_.Share(0, now_, kRamp), 10u);
  EXPECT_EQ(health_.Share(0, now_ + seconds(1), kRamp), 10u);
  EXPECT_EQ(health_.Share(0, now_ + milliseconds(5500), kRamp), 55u);
  EXPECT_TRUE(health_.IsUnsettled(0));
  EXPECT_EQ(health_.Share(0, now_ + seconds(10), kRamp), 100u);
  EXPECT_FALSE(health_.IsUnsettled(0));
}

TEST_F(EndpointHealthTest, AnEjectedOneDoesTheSameFromTheEndOfItsTime) {
  Fail(0, 5);
  health_.SetUp(0, true, now_ + seconds(3));
  EXPECT_TRUE(health_.IsEjected(0, now_ + seconds(29))) << "a health check shortens nothing";
  EXPECT_EQ(health_.Share(0, now_ + seconds(35), seconds(10)), 50u);
}

TEST_F(EndpointHealthTest, WhoCanBeConnectedToAgainComesBackOnce) {
  health_.OnPresence(0, now_);
  EXPECT_FALSE(health_.IsUnsettled(0)) << "it was never away";
  health_.OnAbsence(0);
  EXPECT_FALSE(health_.IsUnsettled(0)) << "each worker sees to that for itself";
  health_.OnPresence(0, now_);
  EXPECT_EQ(health_.Share(0, now_, seconds(10)), 10u);
  health_.OnPresence(0, now_ + seconds(8));
  EXPECT_EQ(health_.Share(0, now_ + seconds(8), seconds(10)), 80u) << "another worker's connection";
}

TEST_F(EndpointHealthTest, ASlowStartCanTakeNoTime) {
  health_.SetUp(0, true, now_);
  EXPECT_EQ(health_.Share(0, now_, seconds(0)), 100u);
  EXPECT_FALSE(health_.IsUnsettled(0));
  Fail(1, 5);
  EXPECT_EQ(health_.Share(1, now_, seconds(0)), 100u);
}

}  // namespace
}  // namespace apk

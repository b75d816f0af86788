// An agent's last minutes, told by the test.
#include "data-plane/agent/drain_plan.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class DrainPlanTest : public testing::Test {
 protected:
  const TimePoint start_ = std::chrono::steady_clock::now();
  DrainPlan plan_{{.notice = seconds(3), .grace = seconds(30)}};
};

TEST_F(DrainPlanTest, NothingHappensByItself) {
  EXPECT_FALSE(plan_.ending());
  EXPECT_FALSE(plan_.StopsAccepting(start_ + seconds(1000)));
  EXPECT_FALSE(plan_.Over(start_ + seconds(1000), 0));
  EXPECT_EQ(plan_.Next(start_), TimePoint::max());
}

TEST_F(DrainPlanTest, AStopGivesNoticeThenGrace) {
  plan_.On(ProgramEvent::kStop, start_);
  EXPECT_TRUE(plan_.ending());
  EXPECT_TRUE(plan_.leaving());
  EXPECT_EQ(plan_.Next(start_), start_ + seconds(3));
  EXPECT_FALSE(plan_.StopsAccepting(start_ + milliseconds(2999)));
  EXPECT_FALSE(plan_.Over(start_ + milliseconds(2999), 0));  // Some may come yet.
  EXPECT_TRUE(plan_.StopsAccepting(start_ + seconds(3)));
  EXPECT_FALSE(plan_.StopsAccepting(start_ + seconds(4)));  // Once.
  EXPECT_FALSE(plan_.Over(start_ + seconds(4), 1));
  EXPECT_TRUE(plan_.Over(start_ + seconds(4), 0));
  EXPECT_FALSE(plan_.Over(start_ + milliseconds(32'999), 1));
  EXPECT_TRUE(plan_.Over(start_ + seconds(33), 1));
}

TEST_F(DrainPlanTest, ADrainLeavesTheProcess) {
  plan_.On(ProgramEvent::kDrain, start_);
  EXPECT_TRUE(plan_.ending());
  EXPECT_FALSE(plan_.leaving());
  EXPECT_TRUE(plan_.StopsAccepting(start_ + seconds(3)));
  EXPECT_FALSE(plan_.Over(start_ + seconds(1000), 0));
  EXPECT_EQ(plan_.Next(start_ + seconds(4)), TimePoint::max());
}

TEST_F(DrainPlanTest, AStopAfterADrainNeedsNoSecondNotice) {
  plan_.On(ProgramEvent::kDrain, start_);
  EXPECT_TRUE(plan_.StopsAccepting(start_ + seconds(3)));
  plan_.On(ProgramEvent::kStop, start_ + seconds(100));
  EXPECT_TRUE(plan_.Over(start_ + seconds(100), 0));
  EXPECT_FALSE(plan_.Over(start_ + seconds(129), 1));
  EXPECT_TRUE(plan_.Over(start_ + seconds(130), 1));
}

TEST_F(DrainPlanTest, ASecondStopWaitsForNothing) {
  plan_.On(ProgramEvent::kStop, start_);
  plan_.On(ProgramEvent::kStop, start_ + seconds(1));
  EXPECT_TRUE(plan_.StopsAccepting(start_ + seconds(1)));
  EXPECT_TRUE(plan_.Over(start_ + seconds(1), 5));
}

TEST_F(DrainPlanTest, AfterAHandoverThereIsNoNoticeAndOneStopChangesNothing) {
  plan_.On(ProgramEvent::kHandedOver, start_);
  EXPECT_TRUE(plan_.StopsAccepting(start_));
  plan_.On(ProgramEvent::kStop, start_ + seconds(10));
  EXPECT_FALSE(plan_.Over(start_ + seconds(29), 1));
  EXPECT_TRUE(plan_.Over(start_ + seconds(30), 1));
}

}  // namespace
}  // namespace apk

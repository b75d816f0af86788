#include "data-plane/mirror/circuit_breaker.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using Verdict = CircuitBreaker::Verdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

class CircuitBreakerTest : public testing::Test {
 protected:
  void Open() {
    for (int i = 0; i < CircuitBreaker::kFailuresMax; ++i) {
      breaker_.OnFailure(breaker_.Decide(now_), now_);
    }
    ASSERT_TRUE(breaker_.open());
  }

  CircuitBreaker breaker_;
  TimePoint now_{seconds(1000)};
};

TEST_F(CircuitBreakerTest, OpensAfterFiveFailuresInARow) {
  for (int i = 0; i < 4; ++i) breaker_.OnFailure(breaker_.Decide(now_), now_);
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kSend);
  breaker_.OnSuccess();
  for (int i = 0; i < 4; ++i) breaker_.OnFailure(breaker_.Decide(now_), now_);
  EXPECT_FALSE(breaker_.open());
  breaker_.OnFailure(breaker_.Decide(now_), now_);
  EXPECT_TRUE(breaker_.open());
  EXPECT_TRUE(breaker_.Refuses(now_));
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kDrop);
}

TEST_F(CircuitBreakerTest, OneProbeAfterASecond) {
  Open();
  now_ += milliseconds(999);
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kDrop);
  now_ += milliseconds(1);
  EXPECT_FALSE(breaker_.Refuses(now_));
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kProbe);
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kDrop);
  breaker_.OnSuccess();
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kSend);
}

// A burst was under way when the breaker opened: what comes of the rest of it is old news.
TEST_F(CircuitBreakerTest, FailuresOfABurstDontProlongThePause) {
  std::vector<Verdict> burst(100);
  for (Verdict& verdict : burst) verdict = breaker_.Decide(now_);
  for (const Verdict verdict : burst) breaker_.OnFailure(verdict, now_);
  now_ += seconds(1);
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kProbe);
}

TEST_F(CircuitBreakerTest, FailedProbesDoubleThePauseToThirtySeconds) {
  Open();
  now_ += seconds(1);
  for (const int pause : {2, 4, 8, 16, 30, 30}) {
    ASSERT_EQ(breaker_.Decide(now_), Verdict::kProbe) << pause;
    breaker_.OnFailure(Verdict::kProbe, now_);
    now_ += seconds(pause) - milliseconds(1);
    EXPECT_EQ(breaker_.Decide(now_), Verdict::kDrop) << pause;
    now_ += milliseconds(1);
  }
  ASSERT_EQ(breaker_.Decide(now_), Verdict::kProbe);
  breaker_.OnSuccess();
  Open();
  now_ += seconds(1);
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kProbe) << "success starts over at one second";
}

TEST_F(CircuitBreakerTest, AProbeWithoutAResultIsFollowedByAnother) {
  Open();
  now_ += seconds(1);
  ASSERT_EQ(breaker_.Decide(now_), Verdict::kProbe);
  breaker_.OnNothing(Verdict::kProbe, now_);
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kProbe);
  now_ += CircuitBreaker::kProbeWait;
  EXPECT_EQ(breaker_.Decide(now_), Verdict::kProbe) << "one that never reported";
}

}  // namespace
}  // namespace apk

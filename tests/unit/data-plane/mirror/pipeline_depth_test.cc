#include "data-plane/mirror/pipeline_depth.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMost = 8;
constexpr milliseconds kQuick{2};

class PipelineDepthTest : public testing::Test {
 protected:
  void AnswerQuickly(int times) {
    for (int i = 0; i < times; ++i) {
      pipeline_.OnAnswered(pipeline_.depth(), milliseconds(1), now_);
    }
  }

  PipelineDepth pipeline_{kMost, kQuick};
  TimePoint now_{seconds(1000)};
};

TEST_F(PipelineDepthTest, GrowsWithQuickAnswersInARow) {
  AnswerQuickly(PipelineDepth::kQuickInARow - 1);
  EXPECT_EQ(pipeline_.depth(), 1u);
  AnswerQuickly(1);
  EXPECT_EQ(pipeline_.depth(), 2u);
  AnswerQuickly(PipelineDepth::kQuickInARow * 10);
  EXPECT_EQ(pipeline_.depth(), kMost);
}

TEST_F(PipelineDepthTest, RowsThatWereNotFullSayNothing) {
  AnswerQuickly(PipelineDepth::kQuickInARow);
  for (int i = 0; i < 100; ++i) pipeline_.OnAnswered(1, milliseconds(1), now_);
  EXPECT_EQ(pipeline_.depth(), 2u);
}

TEST_F(PipelineDepthTest, OneSlowRowEndsIt) {
  AnswerQuickly(PipelineDepth::kQuickInARow * 3);
  EXPECT_EQ(pipeline_.depth(), kMost);
  pipeline_.OnAnswered(kMost, kQuick * kMost, now_);
  EXPECT_EQ(pipeline_.depth(), kMost);
  pipeline_.OnAnswered(kMost, kQuick * kMost + milliseconds(1), now_);
  EXPECT_EQ(pipeline_.depth(), 1u);
}

TEST_F(PipelineDepthTest, AServerThatClosesGetsHalf) {
  AnswerQuickly(PipelineDepth::kQuickInARow * 3);
  pipeline_.OnClosed();
  EXPECT_EQ(pipeline_.depth(), kMost / 2);
  for (int i = 0; i < 10; ++i) pipeline_.OnClosed();
  EXPECT_EQ(pipeline_.depth(), 1u);
}

TEST_F(PipelineDepthTest, ABrokenPipelineBarsTheNextForLongerAndLonger) {
  AnswerQuickly(PipelineDepth::kQuickInARow);
  for (seconds pause : {seconds(10), seconds(20), seconds(40)}) {
    pipeline_.OnBroken(now_);
    EXPECT_EQ(pipeline_.depth(), 1u);
    now_ += pause - milliseconds(1);
    AnswerQuickly(PipelineDepth::kQuickInARow);
    EXPECT_EQ(pipeline_.depth(), 1u);
    now_ += milliseconds(1);
    AnswerQuickly(PipelineDepth::kQuickInARow);
    EXPECT_EQ(pipeline_.depth(), 2u);
  }
}

TEST_F(PipelineDepthTest, OneIncidentIsOneThoughItBreaksManyRows) {
  AnswerQuickly(PipelineDepth::kQuickInARow);
  for (int i = 0; i < 10; ++i) pipeline_.OnBroken(now_);
  now_ += PipelineDepth::kFirstPause;
  AnswerQuickly(PipelineDepth::kQuickInARow);
  EXPECT_EQ(pipeline_.depth(), 2u);
}

TEST_F(PipelineDepthTest, FullDepthForgetsWhatWasBroken) {
  for (int i = 0; i < 3; ++i) {
    pipeline_.OnBroken(now_);
    now_ += PipelineDepth::kLongestPause;
  }
  AnswerQuickly(PipelineDepth::kQuickInARow * 3);
  EXPECT_EQ(pipeline_.depth(), kMost);
  pipeline_.OnBroken(now_);
  now_ += PipelineDepth::kFirstPause;
  AnswerQuickly(PipelineDepth::kQuickInARow);
  EXPECT_EQ(pipeline_.depth(), 2u);
}

TEST_F(PipelineDepthTest, OneUnansweredRowMayBeAConnectionThatDiedAndTheSecondIsNot) {
  AnswerQuickly(PipelineDepth::kQuickInARow);
  pipeline_.OnUnanswered(now_);
  pipeline_.OnAnswered(2, milliseconds(1), now_);
  pipeline_.OnUnanswered(now_);
  EXPECT_EQ(pipeline_.depth(), 2u);
  pipeline_.OnAnswered(1, milliseconds(1), now_);  // Alone: says nothing of rows.
  pipeline_.OnUnanswered(now_);
  EXPECT_EQ(pipeline_.depth(), 1u);
  AnswerQuickly(PipelineDepth::kQuickInARow);
  EXPECT_EQ(pipeline_.depth(), 1u);
}

TEST_F(PipelineDepthTest, ACopyThatIsLateEndsIt) {
  AnswerQuickly(PipelineDepth::kQuickInARow);
  pipeline_.OnLate();
  EXPECT_EQ(pipeline_.depth(), 1u);
}

TEST(PipelineDepthOfOne, NeverGrows) {
  PipelineDepth pipeline(1, kQuick);
  for (int i = 0; i < 100; ++i) pipeline.OnAnswered(1, milliseconds(0), TimePoint());
  EXPECT_EQ(pipeline.depth(), 1u);
}

}  // namespace
}  // namespace apk

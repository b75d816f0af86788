#include "data-plane/otlp/export_pace.h"

#include <gtest/gtest.h>

#include <vector>

namespace apk {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ExportVerdict, TellsWhatPassesFromWhatDoesNot) {
  for (const uint16_t status : std::vector<uint16_t>{200, 202})
    EXPECT_EQ(VerdictOn(status), ExportVerdict::kTaken);
  for (const uint16_t status : std::vector<uint16_t>{0, 429, 502, 503, 504}) {
    EXPECT_EQ(VerdictOn(status), ExportVerdict::kRetry) << status;
  }
  for (const uint16_t status : std::vector<uint16_t>{301, 400, 401, 404, 413, 500, 501}) {
    EXPECT_EQ(VerdictOn(status), ExportVerdict::kRefused) << status;
  }
}

class ExportPaceTest : public testing::Test {
 protected:
  // How long the pace waits after a try that failed now.
  milliseconds Wait(std::optional<seconds> retry_after = std::nullopt, double jitter = 0) {
    pace_.OnRetry(now_, retry_after, jitter);
    return std::chrono::duration_cast<milliseconds>(pace_.next() - now_);
  }

  TimePoint now_ = TimePoint(std::chrono::hours(1));
  ExportPace pace_;
};

TEST_F(ExportPaceTest, WaitsForNothingAtFirst) { EXPECT_LT(pace_.next(), now_); }

TEST_F(ExportPaceTest, WaitsTwiceAsLongEachTimeUpToALimit) {
  EXPECT_EQ(Wait(), milliseconds(500));
  EXPECT_EQ(Wait(), milliseconds(1000));
  EXPECT_EQ(Wait(std::nullopt, 1), milliseconds(2500));
  for (int i = 0; i < 10; ++i) Wait();
  EXPECT_EQ(Wait(), ExportPace::kLongestPause);
  pace_.OnTaken();
  EXPECT_EQ(Wait(), milliseconds(500));
}

TEST_F(ExportPaceTest, WaitsAsLongAsTheCollectorWants) {
  EXPECT_EQ(Wait(seconds(7)), seconds(7));
  EXPECT_EQ(Wait(seconds::max()), ExportPace::kPatience);
}

TEST_F(ExportPaceTest, GivesABatchUpButNotTheWait) {
  const TimePoint begun = now_;
  pace_.Begin(begun);
  for (Wait(); !pace_.GivesUp(); Wait()) now_ = pace_.next();
  EXPECT_LT(now_ - begun, ExportPace::kPatience);
  EXPECT_GE(pace_.next() - begun, ExportPace::kPatience);
  pace_.Begin(now_);
  EXPECT_FALSE(pace_.GivesUp());
  EXPECT_GT(pace_.next(), now_);
}

}  // namespace
}  // namespace apk

// Changes alone and in storms.
#include "control-plane/discovery/push_pacing.h"

#include <gtest/gtest.h>

#include <optional>

namespace apk {
namespace {

using std::chrono::milliseconds;

// Pushes for something published each `gap` for `length`; counts them and the longest wait.
struct Storm {
  int pushes = 0;
  milliseconds longest{0};
};

Storm Simulate(PushPacing& pacing, TimePoint& now, milliseconds gap, milliseconds length) {
  Storm storm;
  std::optional<TimePoint> due;
  std::optional<TimePoint> oldest;
  const TimePoint end = now + length;
  for (TimePoint next = now; now < end + milliseconds(2000); now += milliseconds(1)) {
    if (now >= next && now < end) {
      due = pacing.OnPublish(now);
      if (!oldest.has_value()) oldest = now;
      next += gap;
    }
    if (!due.has_value() || now < *due) continue;
    pacing.OnPush(now);
    ++storm.pushes;
    storm.longest =
        std::max(storm.longest, std::chrono::duration_cast<milliseconds>(now - *oldest));
    due.reset();
    oldest.reset();
  }
  return storm;
}

TEST(PushPacing, TellsOfAChangeThatComesAloneAtOnce) {
  PushPacing pacing;
  TimePoint now = TimePoint() + std::chrono::hours(1);
  const Storm one = Simulate(pacing, now, milliseconds(150), milliseconds(3000));
  EXPECT_EQ(one.pushes, 20);
  EXPECT_EQ(one.longest, milliseconds(0));
}

TEST(PushPacing, TellsOfAStormInFewRounds) {
  PushPacing pacing;
  TimePoint now = TimePoint() + std::chrono::hours(1);
  const Storm storm = Simulate(pacing, now, milliseconds(10), milliseconds(10'000));
  EXPECT_GE(storm.pushes, 20);
  EXPECT_LE(storm.pushes, 40);
  EXPECT_LE(storm.longest, milliseconds(400));
  // And is as quick as before when it is over.
  EXPECT_EQ(Simulate(pacing, now, milliseconds(150), milliseconds(3000)).longest, milliseconds(0));
}

}  // namespace
}  // namespace apk

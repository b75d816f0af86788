#include "data-plane/observe/series_slots.h"

#include <gtest/gtest.h>

#include "data-plane/observe/latency_histogram.h"

namespace apk {
namespace {

Series Numbered(uint32_t index, uint64_t generation = 1) {
  Series series;
  series.index = index;
  series.generation = generation;
  return series;
}

struct One {
  Counter count;
};

TEST(SeriesSlots, KeepsEachNumberApart) {
  SeriesSlots<One> slots;
  for (uint32_t i = 0; i < 1000; ++i) slots.Mine(Numbered(i)).count.Add(i);
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(slots.Find(Numbered(i))->count.value(), i);
}

TEST(SeriesSlots, HasNothingBeforeTheFirstCount) {
  SeriesSlots<One> slots;
  EXPECT_EQ(slots.Find(Numbered(0)), nullptr);
  slots.Mine(Numbered(0));
  EXPECT_NE(slots.Find(Numbered(0)), nullptr);
  EXPECT_EQ(slots.Find(Numbered(1)), nullptr);
  EXPECT_EQ(slots.Find(Numbered(100'000)), nullptr);
}

TEST(SeriesSlots, BeginsAnewForTheNextNameOfANumber) {
  SeriesSlots<One> slots;
  slots.Mine(Numbered(5, 1)).count.Add(7);
  EXPECT_EQ(slots.Find(Numbered(5, 2)), nullptr);
  slots.Mine(Numbered(5, 2)).count.Add();
  EXPECT_EQ(slots.Find(Numbered(5, 2))->count.value(), 1u);
  EXPECT_EQ(slots.Find(Numbered(5, 1)), nullptr);
}

TEST(SeriesSlots, NeverMovesWhatWasCounted) {
  SeriesSlots<One> slots;
  const One* const first = &slots.Mine(Numbered(0));
  slots.Mine(Numbered(10'000));
  EXPECT_EQ(&slots.Mine(Numbered(0)), first);
}

TEST(LatencyHistogram, PutsATimeIntoTheBucketWhoseBoundItDoesNotPass) {
  LatencyHistogram histogram;
  histogram.Observe(std::chrono::microseconds(0));
  histogram.Observe(std::chrono::microseconds(500));
  histogram.Observe(std::chrono::microseconds(501));
  histogram.Observe(std::chrono::seconds(10));
  histogram.Observe(std::chrono::seconds(11));
  EXPECT_EQ(histogram.InBucket(0), 2u);
  EXPECT_EQ(histogram.InBucket(1), 1u);
  EXPECT_EQ(histogram.InBucket(LatencyHistogram::kBuckets - 2), 1u);
  EXPECT_EQ(histogram.InBucket(LatencyHistogram::kBuckets - 1), 1u);
  EXPECT_EQ(histogram.sum_microseconds(), 21'001'001u);
}

}  // namespace
}  // namespace apk

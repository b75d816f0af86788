#include "data-plane/tracing/sampler.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

// The part of the id that is random, from 0 to 2^56 - 1, behind nine bytes that mean nothing.
TraceId WithRandom(uint64_t random) {
  TraceId trace;
  trace.fill('\xff');
  for (size_t i = 0; i < 7; ++i) trace[15 - i] = static_cast<char>(random >> (8 * i));
  return trace;
}

constexpr uint64_t kAll = uint64_t{1} << 56;

TEST(Sampler, TakesNothingAtZero) {
  EXPECT_TRUE(Sampler(0).only_parents());
  EXPECT_FALSE(Sampler(0).TakesRoot(WithRandom(0)));
}

TEST(Sampler, TakesEverythingAtOne) {
  EXPECT_FALSE(Sampler(1).only_parents());
  EXPECT_TRUE(Sampler(1).TakesRoot(WithRandom(0)));
  EXPECT_TRUE(Sampler(1).TakesRoot(WithRandom(kAll - 1)));
}

TEST(Sampler, TakesTheShareOfAllIdsThatItsRatioSays) {
  const Sampler quarter(0.25);
  EXPECT_TRUE(quarter.TakesRoot(WithRandom(kAll / 4 - 1)));
  EXPECT_FALSE(quarter.TakesRoot(WithRandom(kAll / 4)));
  const Sampler few(1e-6);
  EXPECT_FALSE(few.only_parents());
  IdSource ids;
  int taken = 0;
  for (int i = 0; i < 10'000; ++i) taken += quarter.TakesRoot(ids.NextTrace()) ? 1 : 0;
  EXPECT_GT(taken, 2000);  // By more than ten standard deviations.
  EXPECT_LT(taken, 3000);
}

}  // namespace
}  // namespace apk

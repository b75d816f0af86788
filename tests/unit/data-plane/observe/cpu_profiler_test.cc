#include "data-plane/observe/cpu_profiler.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

namespace apk {
namespace {

// Processor time of this thread.
[[gnu::noinline]] uint64_t Burn(std::chrono::milliseconds time) {
  timespec begun{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
  uint64_t value = 1;
  for (;;) {
    for (int i = 0; i < 1'000'000; ++i) value = value * 6364136223846793005 + 1442695040888963407;
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    const std::chrono::nanoseconds used = std::chrono::seconds(now.tv_sec - begun.tv_sec) +
                                          std::chrono::nanoseconds(now.tv_nsec - begun.tv_nsec);
    if (used >= time) return value;
  }
}

struct Profile {
  uintptr_t period_us = 0;
  uintptr_t samples = 0;
  uintptr_t in_burn = 0;  // Of these, by the innermost address.
  size_t deepest = 0;
  std::string mappings;
};

// As the format's text has it; what does not fit it fails the test.
Profile Parse(const std::string& bytes) {
  size_t at = 0;
  const auto next = [&] {
    uintptr_t word = 0;
    if (at + sizeof word > bytes.size()) throw std::out_of_range("cut off");
    std::memcpy(&word, bytes.data() + at, sizeof word);
    at += sizeof word;
    return word;
  };
  Profile profile;
  EXPECT_EQ(next(), 0u);
  EXPECT_EQ(next(), 3u);
  EXPECT_EQ(next(), 0u);
  profile.period_us = next();
  EXPECT_EQ(next(), 0u);
  const auto burn = reinterpret_cast<uintptr_t>(&Burn);
  for (;;) {
    const uintptr_t count = next();
    const uintptr_t depth = next();
    const uintptr_t innermost = next();
    if (count == 0) {
      EXPECT_EQ(depth, 1u);
      EXPECT_EQ(innermost, 0u);
      break;
    }
    profile.samples += count;
    profile.deepest = std::max<size_t>(profile.deepest, depth);
    if (innermost >= burn && innermost < burn + 1024) profile.in_burn += count;
    for (uintptr_t i = 1; i < depth; ++i) next();
  }
  profile.mappings = bytes.substr(at);
  return profile;
}

TEST(CpuProfiler, SeesWhereTheTimeGoesInAnyThread) {
  CpuProfiler profiler;
  ASSERT_TRUE(profiler.Start(std::chrono::seconds(1)));
  std::thread other([] { Burn(std::chrono::milliseconds(250)); });
  Burn(std::chrono::milliseconds(250));
  other.join();
  const Profile profile = Parse(profiler.Stop());
  EXPECT_EQ(profile.period_us, 10'000u);
  EXPECT_GT(profile.samples, 10u);
  EXPECT_GT(profile.in_burn * 10, profile.samples * 8);
  EXPECT_GT(profile.deepest, 2u);  // Its callers.
  EXPECT_NE(profile.mappings.find("r-xp"), std::string::npos);
}

TEST(CpuProfiler, IsOneAtATime) {
  CpuProfiler first;
  CpuProfiler second;
  ASSERT_TRUE(first.Start(std::chrono::seconds(60)));
  EXPECT_FALSE(second.Start(std::chrono::seconds(1)));
  EXPECT_FALSE(first.Start(std::chrono::seconds(1)));
  first.Stop();
  EXPECT_TRUE(second.Start(std::chrono::seconds(1)));
}

TEST(CpuProfiler, EndsWithItsOwner) {
  {
    CpuProfiler gone;
    ASSERT_TRUE(gone.Start(std::chrono::seconds(60)));
    Burn(std::chrono::milliseconds(30));
  }
  CpuProfiler next;
  ASSERT_TRUE(next.Start(std::chrono::seconds(1)));
  EXPECT_EQ(Parse(next.Stop()).deepest, 0u);
}

}  // namespace
}  // namespace apk

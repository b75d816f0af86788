#include "data-plane/observe/heap_profiler.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <thread>
#include <vector>

namespace apk {
namespace {

// Blocks need no memory: the profiler only looks at where they are.
void* Block(uintptr_t number) { return reinterpret_cast<void*>((number + 1) * 64); }

// In the place of operator new.
[[gnu::noinline]] void Allocate(void* block, size_t size) {
  HeapProfiler::OnAllocate(block, size);
  asm volatile("");  // Not a tail call.
}

struct Totals {
  size_t blocks = 0;
  size_t bytes = 0;
  size_t blocks_ever = 0;
  size_t bytes_ever = 0;
};

Totals Parse(const std::string& profile) {
  std::string line = profile.substr(0, profile.find('\n'));
  EXPECT_EQ(line.substr(0, 14), "heap profile: ");
  EXPECT_NE(profile.find("\n\nMAPPED_LIBRARIES:\n"), std::string::npos);
  EXPECT_TRUE(line.ends_with("] @ heap_v2/16384")) << line;
  for (char& c : line) c = (c >= '0' && c <= '9') ? c : ' ';
  std::istringstream numbers(line.substr(14));
  Totals totals;
  numbers >> totals.blocks >> totals.bytes >> totals.blocks_ever >> totals.bytes_ever;
  return totals;
}

TEST(HeapProfiler, TellsWhatWasNotFreed) {
  HeapProfiler profiler;
  ASSERT_TRUE(profiler.Start());
  constexpr size_t kSize = 1024 * 1024;  // So large that nearly every one is a sample.
  for (uintptr_t i = 0; i < 100; ++i) Allocate(Block(i), kSize);
  for (uintptr_t i = 0; i < 70; ++i) HeapProfiler::OnFree(Block(i));
  HeapProfiler::OnFree(nullptr);
  HeapProfiler::OnFree(Block(1000));  // Was there before.
  const Totals totals = Parse(profiler.Stop());
  EXPECT_EQ(totals.blocks_ever, 100u);
  EXPECT_EQ(totals.bytes_ever, 100 * kSize);
  EXPECT_EQ(totals.blocks, 30u);
  EXPECT_EQ(totals.bytes, 30 * kSize);
}

TEST(HeapProfiler, ABlockThatComesBackIsAnother) {
  HeapProfiler profiler;
  ASSERT_TRUE(profiler.Start());
  for (int i = 0; i < 3; ++i) {
    Allocate(Block(0), 1024 * 1024);
    if (i < 2) HeapProfiler::OnFree(Block(0));
  }
  const Totals totals = Parse(profiler.Stop());
  EXPECT_EQ(totals.blocks_ever, 3u);
  EXPECT_EQ(totals.blocks, 1u);
}

TEST(HeapProfiler, SmallBlocksAreSampledByTheirBytes) {
  HeapProfiler profiler;
  ASSERT_TRUE(profiler.Start());
  constexpr size_t kBlocks = 400'000;
  constexpr size_t kSize = 64;
  for (uintptr_t i = 0; i < kBlocks; ++i) Allocate(Block(i), kSize);
  const Totals totals = Parse(profiler.Stop());
  // 1,562 samples are expected; six standard deviations.
  const double expected = static_cast<double>(kBlocks * kSize) / HeapProfiler::kBytesPerSample;
  EXPECT_NEAR(static_cast<double>(totals.blocks_ever), expected, 240);
  EXPECT_EQ(totals.bytes_ever, totals.blocks_ever * kSize);
}

TEST(HeapProfiler, MoreThanItHasRoomForIsNotNoted) {
  HeapProfiler profiler;
  ASSERT_TRUE(profiler.Start());
  for (uintptr_t i = 0; i < HeapProfiler::kSamplesMax + 1000; ++i) Allocate(Block(i), 1024 * 1024);
  for (uintptr_t i = 0; i < HeapProfiler::kSamplesMax + 1000; ++i) HeapProfiler::OnFree(Block(i));
  const Totals totals = Parse(profiler.Stop());
  EXPECT_EQ(totals.blocks_ever, HeapProfiler::kSamplesMax);
  EXPECT_EQ(totals.blocks, 0u);
}

TEST(HeapProfiler, ThreadsFreeWhatOthersAllocated) {
  HeapProfiler profiler;
  ASSERT_TRUE(profiler.Start());
  constexpr uintptr_t kThreads = 4;
  constexpr uintptr_t kEach = 2000;
  for (const bool free : {false, true}) {
    std::vector<std::thread> threads;
    for (uintptr_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([t, free] {
        const uintptr_t of = free ? (t + 1) % kThreads : t;
        for (uintptr_t i = 0; i < kEach; ++i) {
          void* const block = Block(of * kEach + i);
          if (free) {
            HeapProfiler::OnFree(block);
          } else {
            Allocate(block, 1024 * 1024);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const Totals totals = Parse(profiler.Stop());
  EXPECT_EQ(totals.blocks_ever, kThreads * kEach);
  EXPECT_EQ(totals.blocks, 0u);
}

TEST(HeapProfiler, IsOneAtATimeAndEndsWithItsOwner) {
  HeapProfiler second;
  {
    HeapProfiler first;
    ASSERT_TRUE(first.Start());
    EXPECT_FALSE(second.Start());
  }
  Allocate(Block(0), 1024 * 1024);  // Nobody looks.
  ASSERT_TRUE(second.Start());
  EXPECT_EQ(Parse(second.Stop()).blocks_ever, 0u);
}

}  // namespace
}  // namespace apk

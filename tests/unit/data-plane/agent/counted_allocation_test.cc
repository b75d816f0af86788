// Every form of allocation is seen by the profiler.
#include "data-plane/agent/counted_allocation.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <functional>
#include <new>
#include <sstream>

#include "data-plane/observe/heap_profiler.h"

namespace apk {
namespace {

constexpr size_t kSize = size_t{1} << 20;  // So large that nearly every one is a sample.
constexpr size_t kTimes = 20;

size_t BytesSeen(const std::function<void*()>& allocate) {
  HeapProfiler profiler;
  EXPECT_TRUE(profiler.Start());
  for (size_t i = 0; i < kTimes; ++i) {
    void* const block = allocate();
    EXPECT_GE(malloc_usable_size(block), kSize);
    std::free(block);
  }
  std::string line = profiler.Stop();
  line = line.substr(0, line.find('\n'));
  for (char& c : line) c = (c >= '0' && c <= '9') ? c : ' ';
  std::istringstream numbers(line);
  size_t blocks = 0, bytes = 0, blocks_ever = 0, bytes_ever = 0;
  numbers >> blocks >> bytes >> blocks_ever >> bytes_ever;
  return bytes_ever;
}

TEST(CountedAllocation, SeesEveryForm) {
  ASSERT_TRUE(AllocationsAreCounted());
  const std::pair<const char*, std::function<void*()>> forms[] = {
      {"malloc", [] { return malloc(kSize); }},
      {"calloc", [] { return calloc(1, kSize); }},
      {"aligned_alloc", [] { return aligned_alloc(64, kSize); }},
      {"memalign", [] { return memalign(64, kSize); }},
      {"valloc", [] { return valloc(kSize); }},
      {"pvalloc", [] { return pvalloc(kSize); }},
      {"operator new", [] { return ::operator new(kSize); }},
  };
  for (const auto& [name, allocate] : forms) {
    EXPECT_GE(BytesSeen(allocate), kTimes * kSize * 9 / 10) << name;
  }
}

}  // namespace
}  // namespace apk

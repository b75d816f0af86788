// How long things took, in buckets that are the same everywhere. One writer, any reader.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "data-plane/observe/counter.h"

namespace apk {

class LatencyHistogram {
 public:
  // Upper bounds, in microseconds; what is longer than the last is in a bucket of its own.
  static constexpr std::array<uint32_t, 14> kBounds = {
      500,     1'000,   2'500,   5'000,     10'000,    25'000,    50'000,
      100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
  static constexpr size_t kBuckets = kBounds.size() + 1;

  void Observe(std::chrono::steady_clock::duration time) {
    const auto microseconds = static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(time).count());
    size_t bucket = 0;  // Most are among the first.
    while (bucket < kBounds.size() && microseconds > kBounds[bucket]) ++bucket;
    buckets_[bucket].Add();
    sum_microseconds_.Add(microseconds);
  }
  // Of one bucket alone, not of all up to it.
  uint64_t InBucket(size_t bucket) const { return buckets_[bucket].value(); }
  uint64_t sum_microseconds() const { return sum_microseconds_.value(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_microseconds_;
};

}  // namespace apk

// Spans of one thread on their way to the exporter. Neither side waits: what finds no room is
// dropped, and counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "common/spsc_ring.h"
#include "data-plane/tracing/span.h"

namespace apk {

class SpanBuffer {
 public:
  static constexpr size_t kSpansMax = 4096;

  // One thread.
  void Push(SpanPtr span) {
    if (!ring_.TryPush(span)) dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  // One thread, another one. False: none is there.
  bool TryPop(SpanPtr& span) { return ring_.TryPop(span); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }  // Thread-safe.

 private:
  SpscRing<SpanPtr> ring_{kSpansMax};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace apk

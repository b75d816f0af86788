// What the mirror thread tells workers of a mirror that takes no copies for a moment, so that they
// make none that would be dropped. Thread-safe, without locks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "common/clock.h"
#include "data-plane/mirror/mirror_result.h"

namespace apk {

class MirrorRefusal {
 public:
  // Copies to the backend with this connection key come to `result` until then. The time should be
  // short: nobody looks whether the mirror is better before it is over.
  void Set(uint64_t connection_key, MirrorResult result, TimePoint until) {
    const uint64_t word =
        Milliseconds(until) << 24 | Mark(connection_key) << 8 | static_cast<uint64_t>(result);
    word_.store(word, std::memory_order_relaxed);
  }

  // What a copy would come to now, where it would be dropped; the clock is only read where it may.
  std::optional<MirrorResult> Find(uint64_t connection_key) const {
    const uint64_t word = word_.load(std::memory_order_relaxed);
    if (word == 0 || (word >> 8 & 0xffff) != Mark(connection_key)) return std::nullopt;
    if (Milliseconds(std::chrono::steady_clock::now()) >= word >> 24) return std::nullopt;
    return static_cast<MirrorResult>(word & 0xff);
  }

 private:
  static uint64_t Mark(uint64_t connection_key) { return connection_key & 0xffff; }
  static uint64_t Milliseconds(TimePoint at) {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
  }

  // 40 bits of time, 16 of the key, 8 of the result, so that they change together.
  std::atomic<uint64_t> word_{0};
};

}  // namespace apk

// Lines of one worker on their way to the thread that writes them: a ring of bytes with one writer and one
// reader, neither of whom waits or takes a lock.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "data-plane/observe/counter.h"

namespace apk {

class AccessLogBuffer {
 public:
  // REQUIRES: `bytes` is a power of two.
  explicit AccessLogBuffer(size_t bytes) : size_(bytes), bytes_(new char[bytes]) {}

  // Takes a whole line or, where there is no room, counts it as dropped. One thread.
  void Push(std::string_view line) {
    const uint64_t end = end_.load(std::memory_order_relaxed);
    const uint64_t begin = begin_.load(std::memory_order_acquire);
    if (line.size() > size_ - (end - begin)) {
      dropped_.Add();
      return;
    }
    const size_t at = end & (size_ - 1);
    const size_t first = std::min(line.size(), size_ - at);
    line.copy(bytes_.get() + at, first);
    line.substr(first).copy(bytes_.get(), line.size() - first);
    end_.store(end + line.size(), std::memory_order_release);
    pushed_.Add();
  }

  // Appends all that is there, which is whole lines. One thread, another one.
  void Drain(std::string& out) {
    const uint64_t begin = begin_.load(std::memory_order_relaxed);
    const uint64_t end = end_.load(std::memory_order_acquire);
    const size_t at = begin & (size_ - 1);
    const size_t first = std::min<size_t>(end - begin, size_ - at);
    out.append(bytes_.get() + at, first);
    out.append(bytes_.get(), end - begin - first);
    begin_.store(end, std::memory_order_release);
  }

  uint64_t pushed() const { return pushed_.value(); }    // Lines. Thread-safe.
  uint64_t dropped() const { return dropped_.value(); }  // Likewise.

 private:
  const size_t size_;
  const std::unique_ptr<char[]> bytes_;
  Counter pushed_;
  Counter dropped_;
  alignas(64) std::atomic<uint64_t> end_{0};  // Bytes ever pushed,
  alignas(64) std::atomic<uint64_t> begin_{0};  // and drained.
};

}  // namespace apk

// A counter with one writer: an ordinary store, no locked instruction. Any thread reads it.
#pragma once

#include <atomic>
#include <cstdint>

namespace apk {

class Counter {
 public:
  void Add(uint64_t amount = 1) { Set(value() + amount); }
  void Subtract(uint64_t amount = 1) { Set(value() - amount); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace apk

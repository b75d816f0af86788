// A bounded queue from one thread to one other that neither ever waits on: nothing that the
// consumer does can hold the producer up, which does without what finds no room.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace apk {

template <class T>
class SpscRing {
 public:
  // REQUIRES: capacity is a power of two.
  explicit SpscRing(size_t capacity)
      : mask_(capacity - 1), items_(std::make_unique<T[]>(capacity)) {}

  // Producer. False when full; `item` is then unchanged.
  bool TryPush(T& item) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    items_[tail & mask_] = std::move(item);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Consumer. False when empty.
  bool TryPop(T& item) {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    item = std::move(items_[head & mask_]);
    items_[head & mask_] = T();
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  const size_t mask_;
  std::unique_ptr<T[]> items_;
  alignas(64) std::atomic<size_t> tail_{0};
  size_t head_seen_ = 0;  // Producer's.
  alignas(64) std::atomic<size_t> head_{0};
};

}  // namespace apk

// Whoever gives a place back looks at waiting_ after taken_ went down; whoever queues up looks at
// taken_ after waiting_ went up: one of the two sees the other, so that no place is forgotten.
#include "data-plane/upstream/connection_places.h"

#include <algorithm>

namespace apk {

bool ConnectionPlaces::TryCount() {
  uint32_t taken = taken_.load();
  while (taken < max_.load(std::memory_order_relaxed)) {
    if (taken_.compare_exchange_weak(taken, taken + 1)) return true;
  }
  return false;
}

void ConnectionPlaces::Grant() {
  while (!queue_.empty() && TryCount()) {
    const std::shared_ptr<Waiter> first = std::move(queue_.front());
    queue_.pop_front();
    waiting_.fetch_sub(1);
    first->granted_ = true;
    first->Wake();
  }
}

void ConnectionPlaces::ChangeMax(uint32_t max) {
  const std::lock_guard lock(mutex_);
  max_.store(max);
  Grant();
}

void ConnectionPlaces::Leave() {
  taken_.fetch_sub(1);
  if (waiting_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  Grant();
}

void ConnectionPlaces::Wait(std::shared_ptr<Waiter> waiter) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(waiter);
  waiting_.fetch_add(1);
  Grant();
  if (waiter->granted_) return;
  for (Holder* const holder : holders_) {
    if (holder->idle_.load(std::memory_order_relaxed) > 0) holder->AskForOne();
  }
}

bool ConnectionPlaces::Withdraw(const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (waiter->granted_) return true;
  waiting_.fetch_sub(1);
  queue_.remove(waiter);
  return false;
}

ConnectionPlaces::Passed ConnectionPlaces::PassOn(const void* owner) {
  Passed passed;
  if (waiting_.load() == 0) return passed;
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return passed;
  auto next = std::find_if(queue_.begin(), queue_.end(),
                           [owner](const auto& waiter) { return waiter->owner_ == owner; });
  const bool first = next == queue_.begin();
  if (next == queue_.end() || (!first && passed_over_ == kPassedOverMax)) next = queue_.begin();
  passed_over_ = next == queue_.begin() ? 0 : passed_over_ + 1;
  passed.waiter = std::move(*next);
  queue_.erase(next);
  waiting_.fetch_sub(1);
  passed.waiter->granted_ = true;
  passed.next = passed.waiter->owner_ == owner ? Next::kOwn : Next::kOther;
  return passed;
}

void ConnectionPlaces::Join(Holder& holder) {
  const std::lock_guard lock(mutex_);
  holders_.push_back(&holder);
}

void ConnectionPlaces::Part(Holder& holder) {
  const std::lock_guard lock(mutex_);
  std::erase(holders_, &holder);
}

}  // namespace apk

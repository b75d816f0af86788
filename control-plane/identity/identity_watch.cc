// The ledger's listener only wakes: it runs wherever a record was read.
#include "control-plane/identity/identity_watch.h"

#include <chrono>

namespace apk {
namespace {

constexpr std::chrono::seconds kAnyway{1};

}  // namespace

IdentityWatch::IdentityWatch(IdentityLedger& ledger) : ledger_(ledger) {
  ledger_.OnChange([this] {
    const std::lock_guard lock(mutex_);
    changed_ = true;
    wake_.notify_one();
  });
  thread_ = Thread("identity-watch", 0, [this] { Run(); });
}

IdentityWatch::~IdentityWatch() {
  ledger_.OnChange(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.Join();
}

int IdentityWatch::Watch(std::function<void()> judge) {
  const std::lock_guard lock(judges_mutex_);
  judges_[next_number_] = std::move(judge);
  return next_number_++;
}

void IdentityWatch::Unwatch(int number) {
  const std::lock_guard lock(judges_mutex_);
  judges_.erase(number);
}

void IdentityWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kAnyway, [this] { return stopping_ || changed_; });
    changed_ = false;
    if (stopping_) return;
    lock.unlock();
    {
      const std::lock_guard judging(judges_mutex_);
      for (const auto& [number, judge] : judges_) judge();
    }
    lock.lock();
  }
}

}  // namespace apk

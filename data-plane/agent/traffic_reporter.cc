// Nothing is told twice.
#include "data-plane/agent/traffic_reporter.h"

#include <utility>

namespace apk {
namespace {

bool Same(const v1::Traffic& a, const v1::Traffic& b) {
  return a.version() == b.version() && a.requests() == b.requests();
}

}  // namespace

void TrafficReporter::Every(std::chrono::milliseconds interval) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  interval_ = interval;
  asked_ = true;
  if (interval.count() != 0 && !std::exchange(running_, true)) {
    thread_ = Thread("traffic-report", 0, [this] { Run(); });
  }
  wake_.notify_all();
}

void TrafficReporter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.Join();
}

void TrafficReporter::Run() {
  const auto woken = [this] { return stopping_ || asked_; };
  v1::Traffic told;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool anew = std::exchange(asked_, false);
    if (interval_.count() == 0) {
      wake_.wait(lock, woken);
      continue;
    }
    lock.unlock();
    v1::Traffic now = count_();
    if (anew || !Same(now, told)) tell_(now);
    told = std::move(now);
    lock.lock();
    wake_.wait_for(lock, interval_, woken);
  }
}

}  // namespace apk

// It sleeps until something is published, and then as long as the pacing says.
#include "control-plane/discovery/push_loop.h"

namespace apk {

PushLoop::PushLoop(std::function<void()> push)
    : push_(std::move(push)), thread_("push", 0, [this] { Run(); }) {}

PushLoop::~PushLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  woken_.notify_one();
  thread_.Join();
}

void PushLoop::Wake() {
  const std::lock_guard lock(mutex_);
  due_ = pacing_.OnPublish(Now());
  woken_.notify_one();
}

void PushLoop::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!due_.has_value()) {
      woken_.wait(lock);
    } else if (Now() < *due_) {
      woken_.wait_until(lock, *due_);
    } else {
      due_.reset();
      pacing_.OnPush(Now());
      lock.unlock();
      push_();
      lock.lock();
    }
  }
}

}  // namespace apk

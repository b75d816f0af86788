// The thread on which agents are told of what is published, so that who publishes waits for none of
// them. Thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "common/clock.h"
#include "common/thread.h"
#include "control-plane/discovery/push_pacing.h"

namespace apk {

class PushLoop {
 public:
  // `push` is called on the loop's thread.
  explicit PushLoop(std::function<void()> push);
  ~PushLoop();

  // Something was published.
  void Wake();

 private:
  void Run();

  const std::function<void()> push_;
  std::mutex mutex_;
  std::condition_variable woken_;
  PushPacing pacing_;
  std::optional<TimePoint> due_;  // What was published and not yet pushed is then.
  bool stopping_ = false;
  Thread thread_;
};

}  // namespace apk

// Tells what an agent answers, as often as it was asked to. A thread from the first question on.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "apk/v1/traffic.pb.h"
#include "common/thread.h"

namespace apk {

class TrafficReporter {
 public:
  // Both are called on the reporter's thread; `tell` may wait.
  TrafficReporter(std::function<v1::Traffic()> count, std::function<void(const v1::Traffic&)> tell)
      : count_(std::move(count)), tell_(std::move(tell)) {}
  ~TrafficReporter() { Stop(); }

  // From now on; at once for the first time, later where something is new. 0: no more.
  void Every(std::chrono::milliseconds interval);
  // For good; returns when nothing is being told.
  void Stop();

 private:
  void Run();

  const std::function<v1::Traffic()> count_;
  const std::function<void(const v1::Traffic&)> tell_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::chrono::milliseconds interval_{0};
  bool asked_ = false;  // Anew.
  bool running_ = false;
  bool stopping_ = false;
  Thread thread_;
};

}  // namespace apk

// Stops knocking at a mirror that does not open: a refused connect is the dearest outcome of all.
// Pure.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/clock.h"

namespace apk {

class CircuitBreaker {
 public:
  static constexpr int kFailuresMax = 5;
  static constexpr std::chrono::seconds kFirstPause{1};
  static constexpr std::chrono::seconds kLongestPause{30};
  static constexpr std::chrono::seconds kProbeWait{10};

  enum class Verdict { kSend, kProbe, kDrop };

  // kProbe is given to one caller per pause; its result decides. A probe without a result (its
  // client went away) is followed by another after a while.
  Verdict Decide(TimePoint now) {
    if (failures_ < kFailuresMax) return Verdict::kSend;
    if (now < open_until_) return Verdict::kDrop;
    open_until_ = now + kProbeWait;
    return Verdict::kProbe;
  }

  void OnSuccess() {
    failures_ = 0;
    pause_ = kFirstPause;
  }

  // Connect failures and timeouts; an error answer is a success here.
  void OnFailure(TimePoint now) {
    if (failures_ < kFailuresMax && ++failures_ < kFailuresMax) return;
    open_until_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
  }

  bool open() const { return failures_ >= kFailuresMax; }

 private:
  int failures_ = 0;
  TimePoint open_until_{};
  std::chrono::seconds pause_ = kFirstPause;
};

}  // namespace apk

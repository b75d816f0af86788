// Stops knocking at a mirror that does not open: a refused connect is the dearest outcome of all.
// Pure.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/clock.h"

namespace apk {

class CircuitBreaker {
 public:
  static constexpr int kFailuresMax = 5;  // In a row.
  static constexpr std::chrono::seconds kFirstPause{1};
  static constexpr std::chrono::seconds kLongestPause{30};
  static constexpr std::chrono::seconds kProbeWait{10};

  enum class Verdict { kSend, kProbe, kDrop };

  // For a copy that is about to be sent; what comes of it is reported with the verdict. kProbe is
  // given to one caller a pause, and decides how it goes on.
  Verdict Decide(TimePoint now) {
    if (!open()) return Verdict::kSend;
    if (now < open_until_) return Verdict::kDrop;
    open_until_ = now + kProbeWait;  // For a probe that never reports.
    return Verdict::kProbe;
  }

  // True where Decide would say kDrop; changes nothing.
  bool Refuses(TimePoint now) const { return open() && now < open_until_; }

  // An answer of any kind, an error's too.
  void OnSuccess() {
    failures_ = 0;
    pause_ = kFirstPause;
  }

  // A connect failure or a timeout. What was under way when the breaker opened says nothing new.
  void OnFailure(Verdict verdict, TimePoint now) {
    if (verdict == Verdict::kProbe) {
      pause_ = std::min(pause_ * 2, kLongestPause);
    } else if (open() || ++failures_ < kFailuresMax) {
      return;
    }
    open_until_ = now + pause_;
  }

  // Neither: the client went away first. The next copy is the probe.
  void OnNothing(Verdict verdict, TimePoint now) {
    if (verdict == Verdict::kProbe && open()) open_until_ = now;
  }

  bool open() const { return failures_ >= kFailuresMax; }
  TimePoint open_until() const { return open_until_; }  // Where it is open.

 private:
  int failures_ = 0;
  TimePoint open_until_{};
  std::chrono::seconds pause_ = kFirstPause;
};

}  // namespace apk

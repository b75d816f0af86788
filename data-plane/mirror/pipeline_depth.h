// How many copies one endpoint of a mirror may be sent on a connection before it answered the first
// (pipelining, RFC 9112, section 9.3.2). It starts with one; only an endpoint that answers quickly
// and in turn is given more, so that no copy waits long behind others, and a server that can't do
// it is soon left alone. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "common/clock.h"

namespace apk {

class PipelineDepth {
 public:
  static constexpr int kQuickInARow = 16;   // Before the depth is doubled.
  static constexpr int kUnansweredMax = 2;  // Rows.
  static constexpr std::chrono::seconds kFirstPause{10};
  static constexpr std::chrono::seconds kLongestPause{600};

  // `most` copies at a time, where a copy is answered within `quick`.
  PipelineDepth(size_t most, std::chrono::milliseconds quick)
      : most_(std::max<size_t>(most, 1)), quick_time_(quick) {}

  size_t depth() const { return depth_; }

  // A row of `copies`, one or more, was answered whole, `time` after it was sent.
  void OnAnswered(size_t copies, std::chrono::nanoseconds time, TimePoint now) {
    if (copies > 1) unanswered_ = 0;
    if (time > quick_time_ * copies) return Shrink(1);
    if (copies < depth_ || now < barred_until_ || ++quick_ < kQuickInARow) return;
    quick_ = 0;
    depth_ = std::min(depth_ * 2, most_);
    if (depth_ == most_) pause_ = kFirstPause;
  }

  // A copy by itself was not answered in time.
  void OnLate() { Shrink(1); }

  // The connection ended, as the server said or not, with an answer that others should have
  // followed.
  void OnClosed() { Shrink(depth_ / 2); }

  // A row's connection broke before its first answer, as one does that died while it was kept.
  void OnUnanswered(TimePoint now) {
    if (++unanswered_ >= kUnansweredMax) OnBroken(now);
  }

  // An answer of a row was missing, late or broken. What goes wrong while rows are barred already
  // is the same incident.
  void OnBroken(TimePoint now) {
    Shrink(1);
    unanswered_ = 0;
    if (now < barred_until_) return;
    barred_until_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPause);
  }

 private:
  void Shrink(size_t depth) {
    depth_ = std::max<size_t>(depth, 1);
    quick_ = 0;
  }

  const size_t most_;
  const std::chrono::milliseconds quick_time_;
  size_t depth_ = 1;
  int quick_ = 0;
  int unanswered_ = 0;
  TimePoint barred_until_{};
  std::chrono::seconds pause_ = kFirstPause;
};

}  // namespace apk

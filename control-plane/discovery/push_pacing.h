// When agents are told of what is published: of a change that comes alone at once, of those of a
// storm together. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/clock.h"

namespace apk {

class PushPacing {
 public:
  // Something was published: when agents are to be told of it.
  TimePoint OnPublish(TimePoint now) {
    if (now >= next_ && !crowded_) {
      pause_ = kShortest;
      return now;
    }
    crowded_ = true;
    return next_;
  }

  // They are being told.
  void OnPush(TimePoint now) {
    if (std::exchange(crowded_, false)) pause_ = std::min(pause_ * 2, kLongest);
    next_ = now + pause_;
  }

 private:
  static constexpr std::chrono::milliseconds kShortest{50};
  static constexpr std::chrono::milliseconds kLongest{400};

  TimePoint next_;  // Nobody is told before.
  std::chrono::milliseconds pause_ = kShortest;
  bool crowded_ = false;  // What is told next had to wait.
};

}  // namespace apk

// Time as a value that tests can hold still. Thread-safe.
#pragma once

#include <chrono>

namespace apk {

using TimePoint = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Monotonic, for who needs no clock that stands still.
inline TimePoint Now() { return std::chrono::steady_clock::now(); }

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic: for deadlines and durations.
  virtual TimePoint Now() const = 0;
  // Of the calendar: for what people and tokens see.
  virtual WallTime WallNow() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

}  // namespace apk

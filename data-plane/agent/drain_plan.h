// When an agent that ends does what. Pure: it is told what happens and what time it is.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/clock.h"
#include "data-plane/agent/program_events.h"

namespace apk {

class DrainPlan {
 public:
  struct Times {
    std::chrono::milliseconds notice;  // From the word that it drains until it accepts no more.
    std::chrono::milliseconds grace;   // From then on, for what is open.
  };
  explicit DrainPlan(Times times) : times_(times) {}

  void On(ProgramEvent event, TimePoint now);

  // Connections are to be told that they end. Stays true.
  bool ending() const { return ending_; }
  // The process ends after the drain. Stays true.
  bool leaving() const { return leaving_; }
  // True once, when it is time.
  bool StopsAccepting(TimePoint now);
  // The process may end, or must.
  bool Over(TimePoint now, uint64_t connections) const;
  // When to look again, at the latest.
  TimePoint Next(TimePoint now) const;

 private:
  void End(TimePoint now, std::chrono::milliseconds notice);
  void Leave(TimePoint now);

  const Times times_;
  bool ending_ = false;
  bool leaving_ = false;
  bool accepts_ = true;
  int stops_ = 0;  // Signals.
  TimePoint accepts_until_ = TimePoint::max();
  TimePoint latest_ = TimePoint::max();
};

}  // namespace apk

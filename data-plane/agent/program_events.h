// What the main thread waits for: signals, and what other threads have to say.
#pragma once

#include <signal.h>

#include <deque>
#include <mutex>
#include <optional>

#include "common/clock.h"

namespace apk {

enum class ProgramEvent : uint8_t {
  kStop,        // SIGTERM or SIGINT.
  kReopenLog,   // SIGHUP.
  kDrain,       // The admin port was told to.
  kHandedOver,  // A successor has got it all.
  kFailed,      // It makes no sense to go on.
};

class ProgramEvents {
 public:
  // Blocks the signals: made before there are other threads, which inherit that. `reopens`: SIGHUP
  // is one of them; otherwise it ends the process.
  explicit ProgramEvents(bool reopens);

  // Thread-safe.
  void Raise(ProgramEvent event);
  // nullopt where nothing happened until then. The main thread's.
  std::optional<ProgramEvent> WaitUntil(TimePoint latest);

 private:
  std::optional<ProgramEvent> NextRaised();

  sigset_t signals_;
  std::mutex mutex_;
  std::deque<ProgramEvent> raised_;
};

}  // namespace apk

// Threads send the process a signal, so that one call waits for both.
#include "data-plane/agent/program_events.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace apk {
namespace {

constexpr int kRaised = SIGUSR1;
constexpr std::chrono::hours kLongestWait{1};

}  // namespace

ProgramEvents::ProgramEvents(bool reopens) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, kRaised);
  if (reopens) sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

void ProgramEvents::Raise(ProgramEvent event) {
  {
    const std::lock_guard lock(mutex_);
    raised_.push_back(event);
  }
  kill(getpid(), kRaised);
}

std::optional<ProgramEvent> ProgramEvents::NextRaised() {
  const std::lock_guard lock(mutex_);
  if (raised_.empty()) return std::nullopt;
  const ProgramEvent event = raised_.front();
  raised_.pop_front();
  return event;
}

std::optional<ProgramEvent> ProgramEvents::WaitUntil(TimePoint latest) {
  using std::chrono::nanoseconds;
  for (;;) {
    if (const std::optional<ProgramEvent> event = NextRaised()) return event;
    const nanoseconds left =
        std::clamp<nanoseconds>(latest - std::min(latest, Now()), nanoseconds(0), kLongestWait);
    const timespec wait{.tv_sec = left.count() / 1'000'000'000,
                        .tv_nsec = left.count() % 1'000'000'000};
    const int signal = sigtimedwait(&signals_, nullptr, &wait);
    if (signal == SIGHUP) return ProgramEvent::kReopenLog;
    if (signal == SIGTERM || signal == SIGINT) return ProgramEvent::kStop;
    if (signal < 0 && Now() >= latest) return NextRaised();
  }
}

}  // namespace apk

// Notice, then grace; whoever asks a second time does not want to wait.
#include "data-plane/agent/drain_plan.h"

#include <algorithm>

namespace apk {
namespace {

constexpr std::chrono::milliseconds kLookForConnections{10};

}  // namespace

void DrainPlan::End(TimePoint now, std::chrono::milliseconds notice) {
  ending_ = true;
  accepts_until_ = std::min(accepts_until_, now + notice);
}

void DrainPlan::Leave(TimePoint now) {
  leaving_ = true;
  latest_ = std::min(latest_, std::max(now, accepts_until_) + times_.grace);
}

void DrainPlan::On(ProgramEvent event, TimePoint now) {
  switch (event) {
    case ProgramEvent::kReopenLog:
      return;
    case ProgramEvent::kDrain:
      return End(now, times_.notice);
    case ProgramEvent::kHandedOver:
    case ProgramEvent::kFailed:
      End(now, std::chrono::milliseconds(0));
      return Leave(now);
    case ProgramEvent::kStop:
      ++stops_;
      End(now, times_.notice);
      return Leave(now);
  }
}

bool DrainPlan::StopsAccepting(TimePoint now) {
  if (!ending_ || !accepts_ || (now < accepts_until_ && stops_ < 2)) return false;
  accepts_ = false;
  return true;
}

bool DrainPlan::Over(TimePoint now, uint64_t connections) const {
  if (!leaving_ || accepts_) return false;
  return connections == 0 || stops_ >= 2 || now >= latest_;
}

TimePoint DrainPlan::Next(TimePoint now) const {
  if (leaving_ && !accepts_) return std::min(latest_, now + kLookForConnections);
  return ending_ && accepts_ ? accepts_until_ : TimePoint::max();
}

}  // namespace apk

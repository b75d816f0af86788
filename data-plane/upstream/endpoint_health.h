// Which endpoints of a backend are to be used, and how much, by what all workers of an agent know
// of them: health checks say that one is down; one that fails several requests in a row is ejected,
// left alone for a while; one that comes back begins slowly. Thread-safe: reading takes no lock,
// and what goes well writes nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "common/clock.h"

namespace apk {

struct EjectionPolicy {
  uint32_t failures = 5;  // In a row, over all workers; 0: nothing is ever ejected.
  std::chrono::milliseconds base{30'000};      // Times the number of ejections that it has had,
  std::chrono::milliseconds longest{300'000};  // but for those that it has lived down.
  uint32_t percent_max = 10;  // Of a backend's endpoints, and always one, may be ejected.
};

class EndpointHealth {
 public:
  static constexpr uint32_t kShareMin = 10;

  explicit EndpointHealth(size_t endpoints) : endpoints_(endpoints) {}

  // By its health checks; up where there are none.
  bool IsUp(size_t endpoint) const { return !At(endpoint).down.load(std::memory_order_relaxed); }
  void SetUp(size_t endpoint, bool up, TimePoint now);

  // False for most endpoints, for which nobody needs to look at a clock: they are used in full.
  bool IsUnsettled(size_t endpoint) const {
    return At(endpoint).ready_at.load(std::memory_order_relaxed) != kSettled;
  }
  bool IsEjected(size_t endpoint, TimePoint now) const { return ReadyAt(endpoint) > now; }
  // Of what it would get otherwise, in percent: grows from kShareMin to 100 in the time `ramp`
  // after it came back.
  uint32_t Share(size_t endpoint, TimePoint now, std::chrono::milliseconds ramp);

  // It could not be connected to,
  void OnAbsence(size_t endpoint) { At(endpoint).absent.store(true, std::memory_order_relaxed); }
  // and it can: it comes back, once for all workers.
  void OnPresence(size_t endpoint, TimePoint now) {
    std::atomic<bool>& absent = At(endpoint).absent;
    if (absent.load(std::memory_order_relaxed) && absent.exchange(false)) {
      ComeBack(At(endpoint), now);
    }
  }
  // A request to it went well.
  void OnSuccess(size_t endpoint) {
    std::atomic<uint32_t>& failures = At(endpoint).failures;
    if (failures.load(std::memory_order_relaxed) != 0) {
      failures.store(0, std::memory_order_relaxed);
    }
  }
  // One failed for what the endpoint did, or did not: for how long it is ejected by that. One that
  // is the last in use never is. `random` is any number: up to a tenth is added, so that agents
  // don't come back together.
  std::optional<std::chrono::milliseconds> OnFailure(size_t endpoint, const EjectionPolicy& policy,
                                                     TimePoint now, uint64_t random);

 private:
  static constexpr int64_t kSettled = 0;

  struct Endpoint {
    std::atomic<bool> down{false};
    std::atomic<bool> absent{false};
    std::atomic<uint32_t> failures{0};  // Since the last success.
    // When it comes back, or came back not long ago: nanoseconds of the monotonic clock.
    std::atomic<int64_t> ready_at{kSettled};
    uint32_t ejections = 0;  // These two under mutex_.
    TimePoint last_ejection_end;
  };

  Endpoint& At(size_t endpoint) { return endpoints_[endpoint]; }
  const Endpoint& At(size_t endpoint) const { return endpoints_[endpoint]; }
  TimePoint ReadyAt(size_t endpoint) const {
    return TimePoint(
        std::chrono::nanoseconds(At(endpoint).ready_at.load(std::memory_order_relaxed)));
  }
  // Unless it is ejected.
  void ComeBack(Endpoint& endpoint, TimePoint now);
  bool MayEject(size_t endpoint, const EjectionPolicy& policy, TimePoint now) const;

  std::vector<Endpoint> endpoints_;
  std::mutex mutex_;  // Of who ejects.
};

}  // namespace apk

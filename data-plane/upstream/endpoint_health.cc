// Ejections are rare: their bookkeeping is simple and locked.
#include "data-plane/upstream/endpoint_health.h"

#include <algorithm>

namespace apk {

using std::chrono::milliseconds;

bool EndpointHealth::MayEject(size_t endpoint, const EjectionPolicy& policy, TimePoint now) const {
  size_t ejected = 0;
  size_t others_in_use = 0;
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    if (IsEjected(i, now)) {
      ++ejected;
    } else if (i != endpoint && IsUp(i)) {
      ++others_in_use;
    }
  }
  const size_t ejected_max = std::max<size_t>(endpoints_.size() * policy.percent_max / 100, 1);
  return others_in_use > 0 && ejected < ejected_max && !IsEjected(endpoint, now);
}

std::optional<milliseconds> EndpointHealth::OnFailure(size_t endpoint, const EjectionPolicy& policy,
                                                      TimePoint now, uint64_t random) {
  Endpoint& failed = At(endpoint);
  const uint32_t failures = failed.failures.fetch_add(1, std::memory_order_relaxed) + 1;
  if (policy.failures == 0 || failures < policy.failures) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (!MayEject(endpoint, policy, now)) return std::nullopt;
  if (failed.ejections > 0) {
    const auto lived_down = (now - EjectedUntil(endpoint)) / policy.base;
    failed.ejections -= static_cast<uint32_t>(std::min<int64_t>(lived_down, failed.ejections));
  }
  ++failed.ejections;
  milliseconds time = std::min(policy.base * failed.ejections, policy.longest);
  time += milliseconds(random % (static_cast<uint64_t>(time.count()) / 10 + 1));
  failed.failures.store(0, std::memory_order_relaxed);
  failed.ejected_until.store(std::chrono::nanoseconds((now + time).time_since_epoch()).count(),
                             std::memory_order_relaxed);
  return time;
}

}  // namespace apk

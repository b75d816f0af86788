// Ejections are rare: their bookkeeping is simple and locked.
#include "data-plane/upstream/endpoint_health.h"

#include <algorithm>

namespace apk {

using std::chrono::milliseconds;

namespace {

int64_t Nanoseconds(TimePoint time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

}  // namespace

void EndpointHealth::SetUp(size_t endpoint, bool up, TimePoint now) {
  At(endpoint).down.store(!up, std::memory_order_relaxed);
  if (up) ComeBack(At(endpoint), now);
}

void EndpointHealth::ComeBack(Endpoint& endpoint, TimePoint now) {
  int64_t known = endpoint.ready_at.load(std::memory_order_relaxed);
  const int64_t ready = Nanoseconds(now);
  while (known < ready && !endpoint.ready_at.compare_exchange_weak(known, ready)) continue;
}

uint32_t EndpointHealth::Share(size_t endpoint, TimePoint now, milliseconds ramp) {
  int64_t ready = At(endpoint).ready_at.load(std::memory_order_relaxed);
  if (ready == kSettled) return 100;
  const milliseconds back =
      std::chrono::duration_cast<milliseconds>(std::chrono::nanoseconds(Nanoseconds(now) - ready));
  if (back >= ramp) At(endpoint).ready_at.compare_exchange_strong(ready, kSettled);
  if (back >= ramp || ramp.count() == 0) return 100;
  const auto share = static_cast<uint32_t>(std::max<int64_t>(back.count(), 0) * 100 / ramp.count());
  return std::max(share, kShareMin);
}

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
    const auto lived_down = (now - failed.last_ejection_end) / policy.base;
    failed.ejections -= static_cast<uint32_t>(std::min<int64_t>(lived_down, failed.ejections));
  }
  ++failed.ejections;
  milliseconds time = std::min(policy.base * failed.ejections, policy.longest);
  time += milliseconds(random % (static_cast<uint64_t>(time.count()) / 10 + 1));
  failed.failures.store(0, std::memory_order_relaxed);
  failed.last_ejection_end = now + time;
  failed.ready_at.store(Nanoseconds(failed.last_ejection_end), std::memory_order_relaxed);
  return time;
}

}  // namespace apk

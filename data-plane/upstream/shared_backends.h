// What all workers of an agent know together of a backend. Thread-safe.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "data-plane/upstream/connection_places.h"
#include "data-plane/upstream/endpoint_health.h"

namespace apk {

// What there may be a limited number of.
class LimitedCount {
 public:
  // Counts one more; false where there are `max` already.
  bool Enter(uint32_t max) {
    if (count_.fetch_add(1, std::memory_order_relaxed) < max) return true;
    Leave();
    return false;
  }
  void Leave() { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> count_{0};
};

class SharedBackend {
 public:
  explicit SharedBackend(size_t endpoints) : health(endpoints) {}

  EndpointHealth health;
  // Of a backend with a circuit breaker: its connections,
  const std::shared_ptr<ConnectionPlaces>& places() const { return places_; }
  LimitedCount requests;  // the exchanges under way,
  LimitedCount pending;   // those of them that have no connection yet,
  LimitedCount retries;   // and those that were sent before.

 private:
  const std::shared_ptr<ConnectionPlaces> places_ = std::make_shared<ConnectionPlaces>();
};

class SharedBackends {
 public:
  // The one with this connection key, which has `endpoints`; the same for as long as somebody holds
  // it.
  std::shared_ptr<SharedBackend> Find(uint64_t key, size_t endpoints) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<SharedBackend> backend = backends_[key].lock();
    if (backend != nullptr) return backend;
    absl::erase_if(backends_, [](const auto& entry) { return entry.second.expired(); });
    backend = std::make_shared<SharedBackend>(endpoints);
    backends_[key] = backend;
    return backend;
  }

 private:
  std::mutex mutex_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<SharedBackend>> backends_;
};

}  // namespace apk

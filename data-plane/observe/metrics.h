// Counters, one set a worker, written by it alone and summed when someone asks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace apk {

class MirrorStatsRegistry;

// A counter with one writer: an ordinary store, no locked instruction.
class Counter {
 public:
  void Add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void Subtract(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - amount, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct alignas(64) WorkerMetrics {
  std::array<Counter, 6>
      responses_by_class;  // Index is the first digit; [0] for exchanges cut off.
  static constexpr size_t kFailuresMax = 32;
  std::array<Counter, kFailuresMax> failures;  // By Failure.
  Counter unauthorized;
  Counter connections_accepted;
  Counter connections_refused;
  Counter connections_active;
  Counter handshakes_failed;
  Counter upstream_connections;
  Counter upstream_retries;
};

struct SnapshotMetrics {
  std::string version;
  uint64_t revision = 0;
  uint64_t endpoints_down = 0;  // By their health checks.
};

// Prometheus text format 0.0.4.
std::string RenderMetrics(const std::vector<const WorkerMetrics*>& workers,
                          const std::vector<std::string>& failure_names,
                          const MirrorStatsRegistry& mirrors, uint64_t mirror_bytes,
                          const SnapshotMetrics& snapshot);

}  // namespace apk

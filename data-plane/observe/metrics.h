// Counters, one set a worker, written by it alone and summed when someone asks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data-plane/observe/counter.h"

namespace apk {

class MirrorStatsRegistry;

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

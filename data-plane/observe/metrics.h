// Counters, one set a worker, written by it alone and summed when someone asks.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data-plane/observe/access_log.h"
#include "data-plane/observe/counter.h"
#include "data-plane/observe/exchange_counts.h"
#include "data-plane/observe/worker_report.h"
#include "data-plane/tracing/span_figures.h"

namespace apk {

class Exposition;
class MirrorStatsRegistry;

struct alignas(64) WorkerMetrics {
  CountsByClass responses_by_class;
  Counter gateway_errors;  // Of those with 5xx: for which there was no backend's answer.
  static constexpr size_t kFailuresMax = 32;
  std::array<Counter, kFailuresMax> failures;  // By Failure.
  Counter unauthorized;
  Counter connections_accepted;
  Counter connections_refused;
  Counter connections_active;
  Counter connections_parked;
  Counter handshakes_tls12;
  Counter handshakes_tls13;
  Counter handshakes_failed;
  Counter upstream_connections;
  Counter upstream_retries;
  ExchangeCounts exchanges;
};

struct SnapshotMetrics {
  std::string version;
  uint64_t revision = 0;
  uint64_t endpoints_down = 0;  // By their health checks.
  std::optional<std::chrono::microseconds> age;  // Since the workers took it; nullopt: there is none.
};

// All that is rendered.
struct MetricsSources {
  std::vector<const WorkerMetrics*> workers;
  WorkerReports reports;  // By worker.
  std::vector<std::string> failure_names;
  const SeriesBook& series;
  const MirrorStatsRegistry& mirrors;
  uint64_t mirror_bytes = 0;
  SnapshotMetrics snapshot;
  std::optional<AccessLogFigures> access_log;  // nullopt: there is none.
  std::optional<SpanFigures> spans;            // nullopt: none are recorded.
  uint64_t resident_bytes = 0;
  // When the certificate ends that control planes are shown, Unix time; nullopt: there is none.
  std::optional<uint64_t> certificate_expires_unix = std::nullopt;
  std::optional<uint64_t> staple_expires_unix = std::nullopt;  // Likewise, of the first OCSP response.
};

// Prometheus text format 0.0.4. Listeners, routes and backends have series for as long as a table in use has
// them, and from their first request on.
std::string RenderMetrics(const MetricsSources& sources);

// Its parts, one file each: by listener, route and backend; and what is there now.
void AddExchanges(Exposition& out, const MetricsSources& sources);
void AddWorkers(Exposition& out, const MetricsSources& sources);

// Of this process; 0 where the system does not say.
uint64_t ResidentBytes();

}  // namespace apk

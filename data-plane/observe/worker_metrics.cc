// What is there now: pools, loops, the process, the snapshot.
#include <unistd.h>

#include <fstream>

#include "data-plane/observe/exposition.h"
#include "data-plane/observe/metrics.h"

namespace apk {
namespace {

// The newest table that a worker has; nullptr where none answered.
const RouteTable* TableOf(const WorkerReports& reports) {
  const RouteTable* newest = nullptr;
  for (const auto& report : reports) {
    if (!report.has_value()) continue;
    if (newest == nullptr || report->table->revision() > newest->revision()) {
      newest = report->table.get();
    }
  }
  return newest;
}

void AddPools(Exposition& out, const WorkerReports& reports) {
  const RouteTable* const table = TableOf(reports);
  std::vector<EndpointFigures> sums;
  if (table != nullptr) sums.resize(table->backends().size());
  std::vector<uint64_t> ejected(sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    for (const EndpointFigures& endpoint : SumOf(reports, *table, i)) {
      sums[i] += endpoint;
      if (endpoint.ejected) ++ejected[i];
    }
  }
  const auto add = [&](std::string_view name, std::string_view help,
                       uint64_t EndpointFigures::*value) {
    out.Family(name, "gauge", help);
    for (size_t i = 0; i < sums.size(); ++i) {
      out.Sample(name, {{"backend", table->backends()[i]->name}}, sums[i].*value);
    }
  };
  add("apk_pool_open", "Connections to the backend, idle ones included.", &EndpointFigures::open);
  add("apk_pool_idle", "Connections to the backend that wait for an exchange.",
      &EndpointFigures::idle);
  add("apk_pool_pending", "Exchanges that wait for a connection to the backend.",
      &EndpointFigures::pending);
  out.Family("apk_backend_endpoints_ejected", "gauge",
             "Endpoints of the backend that are left alone now, since requests to them failed.");
  for (size_t i = 0; i < sums.size(); ++i) {
    out.Sample("apk_backend_endpoints_ejected", {{"backend", table->backends()[i]->name}},
               ejected[i]);
  }
}

void AddLoops(Exposition& out, const MetricsSources& sources) {
  const auto for_each = [&sources](const auto& add) {
    for (size_t i = 0; i < sources.workers.size(); ++i) add(i, std::to_string(i));
  };
  out.Family("apk_worker_connections_active", "gauge", "Client connections open now, by worker.");
  for_each([&](size_t i, const std::string& name) {
    out.Sample("apk_worker_connections_active", {{"worker", name}},
               sources.workers[i]->connections_active.value());
  });
  out.Family("apk_worker_responding", "gauge",
             "1 where the worker's loop answered this scrape in time.");
  for_each([&](size_t i, const std::string& name) {
    out.Sample("apk_worker_responding", {{"worker", name}}, sources.reports[i].has_value() ? 1 : 0);
  });
  const auto add_time = [&](std::string_view name, std::string_view type, std::string_view help,
                            std::chrono::microseconds WorkerReport::*value) {
    out.Family(name, type, help);
    for_each([&](size_t i, const std::string& worker) {
      if (!sources.reports[i].has_value()) return;
      out.SampleTime(name, {{"worker", worker}},
                     static_cast<uint64_t>(((*sources.reports[i]).*value).count()));
    });
  };
  add_time("apk_worker_loop_lag_seconds", "gauge",
           "How long this scrape waited for its turn in the worker's loop.", &WorkerReport::lag);
  add_time("apk_worker_cpu_seconds_total", "counter", "Processor time of the worker's thread.",
           &WorkerReport::cpu);
}

void AddSpans(Exposition& out, const SpanFigures& spans) {
  constexpr std::string_view kSpans = "apk_trace_spans_total";
  out.Family(
      kSpans, "counter",
      "dropped: no room in a buffer; failed: the collector did not take the batch; rejected: "
      "it did not take these of it.");
  out.Sample(kSpans, {{"outcome", "exported"}}, spans.exported);
  out.Sample(kSpans, {{"outcome", "dropped"}}, spans.dropped);
  out.Sample(kSpans, {{"outcome", "failed"}}, spans.failed);
  out.Sample(kSpans, {{"outcome", "rejected"}}, spans.rejected);
  out.Family("apk_trace_export_retries_total", "counter",
             "Posts to the collector of what it had not taken.");
  out.Sample("apk_trace_export_retries_total", {}, spans.retries);
}

}  // namespace

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size_pages = 0;
  uint64_t resident_pages = 0;
  if (!(statm >> size_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

void AddWorkers(Exposition& out, const MetricsSources& sources) {
  AddPools(out, sources.reports);
  out.Family("apk_upstream_endpoints_down", "gauge",
             "Endpoints of backends that fail their health checks.");
  out.Sample("apk_upstream_endpoints_down", {}, sources.snapshot.endpoints_down);
  AddLoops(out, sources);
  if (sources.access_log.has_value()) {
    constexpr std::string_view kName = "apk_access_log_lines_total";
    out.Family(kName, "counter",
               "dropped: no room in a worker's buffer; lost: the file did not take them.");
    out.Sample(kName, {{"outcome", "written"}}, sources.access_log->written);
    out.Sample(kName, {{"outcome", "dropped"}}, sources.access_log->dropped);
    out.Sample(kName, {{"outcome", "lost"}}, sources.access_log->lost);
  }
  if (sources.spans.has_value()) AddSpans(out, *sources.spans);
  out.Family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
  out.Sample("process_resident_memory_bytes", {}, sources.resident_bytes);
  out.Family("apk_snapshot_revision", "gauge", "Store revision of the snapshot in force.");
  out.Sample("apk_snapshot_revision", {{"version", sources.snapshot.version}},
             sources.snapshot.revision);
  out.Family("apk_snapshot_age_seconds", "gauge",
             "Since the workers took the snapshot in force; absent where there is none.");
  if (sources.snapshot.age.has_value()) {
    out.SampleTime("apk_snapshot_age_seconds", {},
                   static_cast<uint64_t>(sources.snapshot.age->count()));
  }
  constexpr char kExpires[] = "apk_certificate_expires_timestamp_seconds";
  out.Family(kExpires, "gauge",
             "When the agent's certificate for control planes ends; absent where it has none.");
  if (sources.certificate_expires_unix.has_value()) {
    out.Sample(kExpires, {}, *sources.certificate_expires_unix);
  }
  constexpr char kStaple[] = "apk_ocsp_staple_expires_timestamp_seconds";
  out.Family(kStaple, "gauge",
             "When the first of the OCSP responses ends that clients are given; absent where none "
             "is.");
  if (sources.staple_expires_unix.has_value()) {
    out.Sample(kStaple, {}, *sources.staple_expires_unix);
  }
}

}  // namespace apk

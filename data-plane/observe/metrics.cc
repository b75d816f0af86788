// Labels come from configuration only, never from clients.
#include "data-plane/observe/metrics.h"

#include <functional>
#include <string_view>

#include "common/strings.h"
#include "data-plane/mirror/mirror_stats.h"
#include "data-plane/observe/exposition.h"

namespace apk {
namespace {

uint64_t Sum(const std::vector<const WorkerMetrics*>& workers,
             const std::function<uint64_t(const WorkerMetrics&)>& value) {
  uint64_t sum = 0;
  for (const WorkerMetrics* const worker : workers) sum += value(*worker);
  return sum;
}

void AddRequests(Exposition& out, const std::vector<const WorkerMetrics*>& workers,
                 const std::vector<std::string>& failure_names) {
  out.Family("apk_requests_total", "counter", "Requests answered, by class of status code.");
  for (size_t digit = 1; digit < 6; ++digit) {
    out.Sample(
        "apk_requests_total", {{"code", Concat(std::to_string(digit), "xx")}},
        Sum(workers, [digit](const auto& w) { return w.responses_by_class[digit].value(); }));
  }
  out.Family("apk_requests_cut_off_total", "counter",
             "Exchanges that ended before the response was complete.");
  out.Sample("apk_requests_cut_off_total", {},
             Sum(workers, [](const auto& w) { return w.responses_by_class[0].value(); }));
  out.Family("apk_request_failures_total", "counter", "Requests that the gateway answered itself.");
  for (size_t i = 0; i < failure_names.size(); ++i) {
    out.Sample("apk_request_failures_total", {{"reason", failure_names[i]}},
               Sum(workers, [i](const auto& w) { return w.failures[i].value(); }));
  }
  out.Sample("apk_request_failures_total", {{"reason", "unauthorized"}},
             Sum(workers, [](const auto& w) { return w.unauthorized.value(); }));
}

void AddConnections(Exposition& out, const std::vector<const WorkerMetrics*>& workers) {
  out.Family("apk_connections_total", "counter", "Client connections accepted.");
  out.Sample("apk_connections_total", {},
             Sum(workers, [](const auto& w) { return w.connections_accepted.value(); }));
  out.Family("apk_connections_refused_total", "counter",
             "Client connections closed at once: too many of them, or of their address.");
  out.Sample("apk_connections_refused_total", {},
             Sum(workers, [](const auto& w) { return w.connections_refused.value(); }));
  out.Family("apk_connections_active", "gauge", "Client connections open now.");
  out.Sample("apk_connections_active", {},
             Sum(workers, [](const auto& w) { return w.connections_active.value(); }));
  out.Family("apk_connections_parked", "gauge",
             "Of these, HTTP/1.1 ones that have been idle for some seconds and hold next to no memory.");
  out.Sample("apk_connections_parked", {},
             Sum(workers, [](const auto& w) { return w.connections_parked.value(); }));
  out.Family("apk_tls_handshakes_total", "counter",
             "TLS handshakes of clients that succeeded, by version.");
  out.Sample("apk_tls_handshakes_total", {{"version", "TLSv1.2"}},
             Sum(workers, [](const auto& w) { return w.handshakes_tls12.value(); }));
  out.Sample("apk_tls_handshakes_total", {{"version", "TLSv1.3"}},
             Sum(workers, [](const auto& w) { return w.handshakes_tls13.value(); }));
  out.Family("apk_tls_handshake_failures_total", "counter",
             "TLS handshakes of clients that failed.");
  out.Sample("apk_tls_handshake_failures_total", {},
             Sum(workers, [](const auto& w) { return w.handshakes_failed.value(); }));
  out.Family("apk_upstream_connections_total", "counter", "Connections opened to backends.");
  out.Sample("apk_upstream_connections_total", {},
             Sum(workers, [](const auto& w) { return w.upstream_connections.value(); }));
  out.Family("apk_upstream_retries_total", "counter",
             "Requests sent again because a kept connection had died, or the backend refused them.");
  out.Sample("apk_upstream_retries_total", {},
             Sum(workers, [](const auto& w) { return w.upstream_retries.value(); }));
}

void AddMirrors(Exposition& out, const MirrorStatsRegistry& mirrors, uint64_t mirror_bytes) {
  const std::vector<const MirrorStats*> all = mirrors.All();
  const auto add_counter = [&](std::string_view name, std::string_view help,
                               std::atomic<uint64_t> MirrorStats::*value) {
    out.Family(name, "counter", help);
    for (const MirrorStats* const stats : all) {
      out.Sample(name, {{"route", stats->route}, {"mirror", stats->gauges->mirror}},
                 (stats->*value).load());
    }
  };
  add_counter("apk_mirror_matched_total", "Requests whose rule names the mirror.",
              &MirrorStats::matched);
  out.Family("apk_mirror_requests_total", "counter",
             "What became of the copies; over all outcomes, the number matched.");
  for (const MirrorStats* const stats : all) {
    for (size_t i = 0; i < stats->results.size(); ++i) {
      const auto result = static_cast<MirrorResult>(i);
      out.Sample("apk_mirror_requests_total",
                 {{"route", stats->route},
                  {"mirror", stats->gauges->mirror},
                  {"outcome", OutcomeName(result)},
                  {"reason", ReasonName(result)}},
                 stats->results[i].load());
    }
  }
  add_counter("apk_mirror_connections_total", "Connections opened to the mirror.",
              &MirrorStats::connections);
  add_counter("apk_mirror_responses_truncated_total",
              "Answers of the mirror that were too long to read away.",
              &MirrorStats::responses_truncated);
  const std::vector<const MirrorGauges*> gauges = mirrors.AllGauges();
  const auto add_gauge = [&](std::string_view name, std::string_view help,
                             std::atomic<uint64_t> MirrorGauges::*value) {
    out.Family(name, "gauge", help);
    for (const MirrorGauges* const mirror : gauges) {
      out.Sample(name, {{"mirror", mirror->mirror}}, (mirror->*value).load());
    }
  };
  add_gauge("apk_mirror_waiting", "Copies that wait for their turn at the mirror.",
            &MirrorGauges::waiting);
  add_gauge("apk_mirror_in_flight", "Copies that the mirror has to answer.",
            &MirrorGauges::in_flight);
  add_gauge("apk_mirror_breakers_open",
            "Endpoints of the mirror that are left alone because they failed.",
            &MirrorGauges::breakers_open);
  out.Family("apk_mirror_held_bytes", "gauge", "Request bodies held for mirrors now.");
  out.Sample("apk_mirror_held_bytes", {}, mirror_bytes);
}

}  // namespace

std::string RenderMetrics(const MetricsSources& sources) {
  Exposition out;
  AddRequests(out, sources.workers, sources.failure_names);
  AddExchanges(out, sources);
  AddConnections(out, sources.workers);
  AddMirrors(out, sources.mirrors, sources.mirror_bytes);
  AddWorkers(out, sources);
  return out.Take();
}

}  // namespace apk

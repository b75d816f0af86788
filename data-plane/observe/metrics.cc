// Text exposition. Labels come from configuration only, never from clients.
#include "data-plane/observe/metrics.h"

#include <functional>
#include <string_view>

#include "common/strings.h"
#include "data-plane/mirror/mirror_stats.h"

namespace apk {
namespace {

std::string EscapeLabel(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

class Exposition {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    text_ += Concat("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
  }
  void Sample(std::string_view name, std::string_view labels, uint64_t value) {
    text_ += labels.empty() ? Concat(name, " ", std::to_string(value), "\n")
                            : Concat(name, "{", labels, "} ", std::to_string(value), "\n");
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

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
        "apk_requests_total", Concat("code=\"", std::to_string(digit), "xx\""),
        Sum(workers, [digit](const auto& w) { return w.responses_by_class[digit].value(); }));
  }
  out.Family("apk_requests_cut_off_total", "counter",
             "Exchanges that ended before the response was complete.");
  out.Sample("apk_requests_cut_off_total", "",
             Sum(workers, [](const auto& w) { return w.responses_by_class[0].value(); }));
  out.Family("apk_request_failures_total", "counter", "Requests that the gateway answered itself.");
  for (size_t i = 0; i < failure_names.size(); ++i) {
    out.Sample("apk_request_failures_total", Concat("reason=\"", failure_names[i], "\""),
               Sum(workers, [i](const auto& w) { return w.failures[i].value(); }));
  }
  out.Sample("apk_request_failures_total", "reason=\"unauthorized\"",
             Sum(workers, [](const auto& w) { return w.unauthorized.value(); }));
}

void AddConnections(Exposition& out, const std::vector<const WorkerMetrics*>& workers) {
  out.Family("apk_connections_total", "counter", "Client connections accepted.");
  out.Sample("apk_connections_total", "",
             Sum(workers, [](const auto& w) { return w.connections_accepted.value(); }));
  out.Family("apk_connections_refused_total", "counter",
             "Client connections closed at once: too many of them, or of their address.");
  out.Sample("apk_connections_refused_total", "",
             Sum(workers, [](const auto& w) { return w.connections_refused.value(); }));
  out.Family("apk_connections_active", "gauge", "Client connections open now.");
  out.Sample("apk_connections_active", "",
             Sum(workers, [](const auto& w) { return w.connections_active.value(); }));
  out.Family("apk_tls_handshake_failures_total", "counter",
             "TLS handshakes of clients that failed.");
  out.Sample("apk_tls_handshake_failures_total", "",
             Sum(workers, [](const auto& w) { return w.handshakes_failed.value(); }));
  out.Family("apk_upstream_connections_total", "counter", "Connections opened to backends.");
  out.Sample("apk_upstream_connections_total", "",
             Sum(workers, [](const auto& w) { return w.upstream_connections.value(); }));
  out.Family("apk_upstream_retries_total", "counter",
             "Requests sent again because a kept connection had died.");
  out.Sample("apk_upstream_retries_total", "",
             Sum(workers, [](const auto& w) { return w.upstream_retries.value(); }));
}

void AddMirrors(Exposition& out, const MirrorStatsRegistry& mirrors, uint64_t mirror_bytes) {
  const std::vector<const MirrorStats*> all = mirrors.All();
  const auto labels_of = [](const MirrorStats& stats) {
    return Concat("route=\"", EscapeLabel(stats.route), "\",mirror=\"",
                  EscapeLabel(stats.gauges->mirror), "\"");
  };
  out.Family("apk_mirror_matched_total", "counter", "Requests whose rule names the mirror.");
  for (const MirrorStats* const stats : all) {
    out.Sample("apk_mirror_matched_total", labels_of(*stats), stats->matched.load());
  }
  out.Family("apk_mirror_requests_total", "counter",
             "What became of the copies; over all outcomes, the number matched.");
  for (const MirrorStats* const stats : all) {
    for (size_t i = 0; i < stats->results.size(); ++i) {
      const auto result = static_cast<MirrorResult>(i);
      out.Sample("apk_mirror_requests_total",
                 Concat(labels_of(*stats), ",outcome=\"", OutcomeName(result), "\",reason=\"",
                        ReasonName(result), "\""),
                 stats->results[i].load());
    }
  }
  out.Family("apk_mirror_connections_total", "counter", "Connections opened to the mirror.");
  for (const MirrorStats* const stats : all) {
    out.Sample("apk_mirror_connections_total", labels_of(*stats), stats->connections.load());
  }
  out.Family("apk_mirror_responses_truncated_total", "counter",
             "Answers of the mirror that were too long to read away.");
  for (const MirrorStats* const stats : all) {
    out.Sample("apk_mirror_responses_truncated_total", labels_of(*stats),
               stats->responses_truncated.load());
  }
  const std::vector<const MirrorGauges*> gauges = mirrors.AllGauges();
  const auto add_gauge = [&](std::string_view name, std::string_view help,
                             std::atomic<uint64_t> MirrorGauges::*value) {
    out.Family(name, "gauge", help);
    for (const MirrorGauges* const mirror : gauges) {
      out.Sample(name, Concat("mirror=\"", EscapeLabel(mirror->mirror), "\""),
                 (mirror->*value).load());
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
  out.Sample("apk_mirror_held_bytes", "", mirror_bytes);
}

}  // namespace

std::string RenderMetrics(const std::vector<const WorkerMetrics*>& workers,
                          const std::vector<std::string>& failure_names,
                          const MirrorStatsRegistry& mirrors, uint64_t mirror_bytes,
                          const SnapshotMetrics& snapshot) {
  Exposition out;
  AddRequests(out, workers, failure_names);
  AddConnections(out, workers);
  AddMirrors(out, mirrors, mirror_bytes);
  out.Family("apk_upstream_endpoints_down", "gauge",
             "Endpoints of backends that fail their health checks.");
  out.Sample("apk_upstream_endpoints_down", "", snapshot.endpoints_down);
  out.Family("apk_snapshot_revision", "gauge", "Store revision of the snapshot in force.");
  out.Sample("apk_snapshot_revision", Concat("version=\"", EscapeLabel(snapshot.version), "\""),
             snapshot.revision);
  return out.Take();
}

}  // namespace apk

// Workers are asked for what they alone know, and missed where they do not answer.
#include "data-plane/agent/admin_pages.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/strings.h"
#include "data-plane/agent/redact.h"
#include "data-plane/forward/failure.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kPatience{500};
constexpr std::string_view kRead = "GET, HEAD";
constexpr std::string_view kWrite = "POST";

std::vector<std::string> FailureNames() {
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(Failure::kPendingOverflow); ++i) {
    names.emplace_back(FailureName(static_cast<Failure>(i)));
  }
  return names;
}

AdminResponse Text(uint16_t status, std::string body) {
  AdminResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// Names are of any bytes that a snapshot may have.
AdminResponse JsonPage(const Json& json) {
  AdminResponse response;
  response.content_type = "application/json";
  response.body = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return response;
}

// Over all workers and classes.
template <class Counts>
uint64_t RequestsOf(const std::vector<const WorkerMetrics*>& workers,
                    SeriesSlots<Counts> ExchangeCounts::*slots, const Series& series) {
  uint64_t sum = 0;
  for (const WorkerMetrics* const worker : workers) {
    const Counts* const counts = (worker->exchanges.*slots).Find(series);
    if (counts == nullptr) continue;
    for (const Counter& requests : counts->requests) sum += requests.value();
  }
  return sum;
}

uint64_t ConnectionsOf(const WorkerReports& reports, const Port& port) {
  uint64_t sum = 0;
  for (const auto& report : reports) {
    if (!report.has_value()) continue;
    const auto found = report->connections.find({port.address, port.port});
    if (found != report->connections.end()) sum += found->second;
  }
  return sum;
}

std::string ProtocolOf(const Port& port, const Listener& listener) {
  if (!listener.http) return listener.passthrough ? "TLS passthrough" : "TLS";
  return port.tls ? "HTTPS" : "HTTP";
}

}  // namespace

struct AdminPages::Page {
  std::string_view path;
  std::string_view methods;
  AdminResponse (AdminPages::*answer)() const;
};

const AdminPages::Page* AdminPages::FindPage(std::string_view path) {
  static constexpr std::array kPages = {
      Page{"/healthz", kRead, &AdminPages::Healthz},
      Page{"/readyz", kRead, &AdminPages::Readyz},
      Page{"/metrics", kRead, &AdminPages::Metrics},
      Page{"/config_dump", kRead, &AdminPages::ConfigDump},
      Page{"/clusters", kRead, &AdminPages::Clusters},
      Page{"/listeners", kRead, &AdminPages::Listeners},
      Page{"/drain", kWrite, &AdminPages::Drain},
  };
  for (const Page& page : kPages) {
    if (page.path == path) return &page;
  }
  return nullptr;
}

AdminResponse AdminPages::Answer(const AdminRequest& request) const {
  const Page* const page = FindPage(request.path);
  if (page == nullptr) return NotFound();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (page->methods == kRead ? !reads : request.method != kWrite) {
    AdminResponse response = Text(405, Concat("only ", page->methods, "\n"));
    response.allow = page->methods;
    return response;
  }
  if (page->methods == kWrite && request.from_page) return Text(403, "not from a web page\n");
  return (this->*page->answer)();
}

AdminResponse AdminPages::NotFound() const {
  return Text(404,
              "GET /healthz /readyz /metrics /config_dump /clusters /listeners /profile/cpu "
              "/profile/heap\nPOST /drain\n");
}

AdminResponse AdminPages::Healthz() const { return Text(200, "ok\n"); }

AdminResponse AdminPages::Readyz() const {
  if (workers_.ending()) return Text(503, "draining\n");
  if (agent_.table() == nullptr) return Text(503, "no snapshot yet\n");
  return Text(200, "ok\n");
}

AdminResponse AdminPages::Metrics() const {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  MetricsSources sources{.workers = workers_.Metrics(),
                         .reports = workers_.Report(kPatience),
                         .failure_names = FailureNames(),
                         .series = agent_.series(),
                         .mirrors = workers_.mirror_stats(),
                         .mirror_bytes = workers_.mirror_bytes(),
                         .snapshot = {},
                         .access_log = std::nullopt,
                         .spans = std::nullopt,
                         .resident_bytes = ResidentBytes()};
  sources.snapshot.version = agent_.version();
  sources.snapshot.revision = agent_.revision();
  sources.snapshot.endpoints_down = workers_.endpoints_down();
  if (const std::optional<TimePoint> since = agent_.in_force_since(); since.has_value()) {
    sources.snapshot.age = duration_cast<microseconds>(std::chrono::steady_clock::now() - *since);
  }
  if (access_log_ != nullptr) sources.access_log = access_log_->figures();
  if (const std::optional<SystemTime> expires = certificate_expires_(); expires.has_value()) {
    sources.certificate_expires_unix =
        static_cast<uint64_t>(std::max<time_t>(std::chrono::system_clock::to_time_t(*expires), 0));
  }
  sources.staple_expires_unix = workers_.first_staple_end();
  if (spans_ != nullptr) sources.spans = spans_->figures();
  AdminResponse response = Text(200, RenderMetrics(sources));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

AdminResponse AdminPages::ConfigDump() const {
  v1::Snapshot snapshot = agent_.snapshot();
  RedactSecrets(snapshot);
  Json dump;
  dump["version"] = snapshot.version();
  dump["revision"] = snapshot.revision();
  dump["resources"] = Json::array();
  for (const v1::SnapshotResource& resource : snapshot.resources()) {
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(resource, &text);
    dump["resources"].push_back(status.ok() ? Json::parse(text, nullptr, false)
                                            : Json{{"name", resource.name()}});
  }
  return JsonPage(dump);
}

AdminResponse AdminPages::Clusters() const {
  const std::shared_ptr<const RouteTable> table = agent_.table();
  Json clusters = Json::array();
  if (table == nullptr) return JsonPage(clusters);
  const WorkerReports reports = workers_.Report(kPatience);
  const std::vector<const WorkerMetrics*> metrics = workers_.Metrics();
  for (size_t i = 0; i < table->backends().size(); ++i) {
    const Backend& backend = *table->backends()[i];
    const std::vector<EndpointFigures> figures = SumOf(reports, *table, i);
    Json endpoints = Json::array();
    for (size_t j = 0; j < figures.size(); ++j) {
      const EndpointFigures& now = figures[j];
      const std::string_view health = !workers_.IsUp(backend, j) ? "down"
                                      : now.ejected              ? "ejected"
                                      : now.backs_off            ? "refusing"
                                                                 : "up";
      endpoints.push_back({{"host", backend.endpoints[j].host},
                           {"port", backend.endpoints[j].port},
                           {"health", health},
                           {"open", now.open},
                           {"idle", now.idle},
                           {"pending", now.pending},
                           {"exchanges", now.exchanges}});
    }
    clusters.push_back(
        {{"name", backend.name},
         {"healthChecks", backend.health_check.has_value()},
         {"tls", backend.tls.has_value()},
         {"requests", RequestsOf(metrics, &ExchangeCounts::backends, *backend.series)},
         {"endpoints", std::move(endpoints)}});
  }
  return JsonPage(clusters);
}

AdminResponse AdminPages::Listeners() const {
  const std::shared_ptr<const RouteTable> table = agent_.table();
  Json ports = Json::array();
  if (table == nullptr) return JsonPage(ports);
  const WorkerReports reports = workers_.Report(kPatience);
  const std::vector<const WorkerMetrics*> metrics = workers_.Metrics();
  for (const Port& port : table->ports()) {
    Json listeners = Json::array();
    for (const Listener& listener : port.listeners) {
      listeners.push_back(
          {{"name", listener.name},
           {"protocol", ProtocolOf(port, listener)},
           {"hostname", listener.hostname},
           {"requests", RequestsOf(metrics, &ExchangeCounts::listeners, *listener.series)}});
    }
    ports.push_back({{"address", port.address.empty() ? workers_.default_address() : port.address},
                     {"port", port.port},
                     {"connections", ConnectionsOf(reports, port)},
                     {"listeners", std::move(listeners)}});
  }
  return JsonPage(ports);
}

AdminResponse AdminPages::Drain() const {
  LogInfo("draining, as the admin port was told");
  workers_.EndConnections();  // /readyz says so from now on.
  on_drain_();
  return Text(200, "draining\n");
}

}  // namespace apk

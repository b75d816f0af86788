// Workers are asked for what they alone know, and missed where they do not answer.
#include "data-plane/agent/admin_pages.h"

#include <array>
#include <nlohmann/json.hpp>

#include "data-plane/forward/failure.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kPatience{500};

std::vector<std::string> FailureNames() {
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(Failure::kUpgrade); ++i) {
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

}  // namespace

struct AdminPages::Page {
  std::string_view path;
  AdminResponse (AdminPages::*answer)() const;
};

const AdminPages::Page* AdminPages::FindPage(std::string_view path) {
  static constexpr std::array kPages = {
      Page{"/healthz", &AdminPages::Healthz},
      Page{"/readyz", &AdminPages::Readyz},
      Page{"/metrics", &AdminPages::Metrics},
      Page{"/config_dump", &AdminPages::ConfigDump},
  };
  for (const Page& page : kPages) {
    if (page.path == path) return &page;
  }
  return nullptr;
}

AdminResponse AdminPages::Answer(const AdminRequest& request) const {
  const Page* const page = FindPage(request.path);
  if (page == nullptr) return NotFound();
  if (request.method != "GET" && request.method != "HEAD") return Text(405, "");
  return (this->*page->answer)();
}

AdminResponse AdminPages::NotFound() const {
  return Text(404,
              "try /healthz /readyz /metrics /config_dump\n");
}

AdminResponse AdminPages::Healthz() const { return Text(200, "ok\n"); }

AdminResponse AdminPages::Readyz() const {
  if (workers_.draining()) return Text(503, "draining\n");
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
                         .resident_bytes = ResidentBytes()};
  sources.snapshot.version = agent_.version();
  sources.snapshot.revision = agent_.revision();
  sources.snapshot.endpoints_down = workers_.endpoints_down();
  if (const std::optional<TimePoint> since = agent_.in_force_since(); since.has_value()) {
    sources.snapshot.age =
        duration_cast<microseconds>(std::chrono::steady_clock::now() - *since);
  }
  if (access_log_ != nullptr) sources.access_log = access_log_->figures();
  AdminResponse response = Text(200, RenderMetrics(sources));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

AdminResponse AdminPages::ConfigDump() const {
  const v1::Snapshot snapshot = agent_.snapshot();
  Json dump;
  dump["version"] = snapshot.version();
  dump["revision"] = snapshot.revision();
  dump["resources"] = Json::array();
  for (const v1::SnapshotResource& resource : snapshot.resources()) {
    dump["resources"].push_back(resource.name());
  }
  return JsonPage(dump);
}

}  // namespace apk

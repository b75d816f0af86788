// Compile, publish, save: in that order, and each only if the one before went well.
#include "data-plane/agent/agent.h"

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "common/strings.h"
#include "data-plane/forward/failure.h"

namespace apk {
namespace {

std::vector<std::string> FailureNames() {
  std::vector<std::string> names;
  for (int i = 0; i <= static_cast<int>(Failure::kUpgrade); ++i) {
    names.emplace_back(FailureName(static_cast<Failure>(i)));
  }
  return names;
}

v1::ResourceError* AddListenerError(const std::string& listener, const std::string& address,
                                    const std::string& message, v1::DiscoveryRequest& request) {
  v1::ResourceError* const entry = request.add_listener_errors();
  entry->set_name(listener);
  entry->set_message(message);
  entry->set_address(address);
  return entry;
}

// The listeners of a port, for the control plane to write into their status, and those that no port
// has.
void ReportPortErrors(const RouteTable& table, const std::vector<PortError>& errors,
                      v1::DiscoveryRequest& request) {
  for (const RefusedListener& refused : table.refused()) {
    LogWarning("listener not served", {{"listener", refused.name}, {"reason", refused.message}});
    AddListenerError(refused.name, refused.address, refused.message, request);
  }
  for (const PortError& error : errors) {
    LogWarning("listener not served", {{"reason", error.message}});
    const Port* const port = table.FindPort(error.address, error.port);
    if (port == nullptr) continue;
    for (const Listener& listener : port->listeners) {
      AddListenerError(listener.name, listener.address, error.message, request)
          ->set_address_unusable(error.address_unusable);
    }
  }
}

}  // namespace

Agent::Outcome Agent::Serve(const v1::Snapshot& snapshot) {
  Outcome outcome;
  CompileResult compiled = compiler_.Compile(snapshot);
  if (compiled.table == nullptr) {
    outcome.errors = std::move(compiled.errors);
    return outcome;
  }
  absl::StatusOr<std::vector<PortError>> published = workers_.Publish(compiled.table);
  if (!published.ok()) {
    outcome.errors.push_back(
        {.resource = "", .message = std::string(published.status().message())});
    return outcome;
  }
  outcome.port_errors = *std::move(published);
  outcome.table = std::move(compiled.table);
  builder_.Reset(snapshot);
  if (on_issuers_) on_issuers_(*outcome.table);
  const std::lock_guard lock(mutex_);
  version_ = snapshot.version();
  revision_ = snapshot.revision();
  resource_names_.clear();
  for (const v1::SnapshotResource& resource : snapshot.resources()) {
    resource_names_.push_back(resource.name());
  }
  return outcome;
}

void Agent::StartFromDisk() {
  absl::StatusOr<v1::Snapshot> snapshot = disk_.Load();
  if (!snapshot.ok()) {
    if (!absl::IsNotFound(snapshot.status())) {
      LogError("no usable snapshot on disk",
               {{"reason", std::string(snapshot.status().message())}});
    }
    return;
  }
  const Outcome outcome = Serve(*snapshot);
  if (outcome.table == nullptr) {
    LogError("snapshot on disk refused", {{"reason", outcome.errors.front().message}});
    return;
  }
  LogInfo("serving the snapshot on disk",
          {{"version", snapshot->version()}, {"revision", std::to_string(snapshot->revision())}});
  if (on_ready_) std::exchange(on_ready_, nullptr)();
}

v1::DiscoveryRequest Agent::Take(const v1::DiscoveryResponse& response) {
  v1::DiscoveryRequest request;
  request.set_response_nonce(response.nonce());
  const v1::Snapshot snapshot = builder_.Next(response);
  const Outcome outcome = Serve(snapshot);
  if (outcome.table != nullptr) {
    ReportPortErrors(*outcome.table, outcome.port_errors, request);
    const absl::Status saved = disk_.Save(snapshot);
    if (!saved.ok()) LogWarning("snapshot not saved", {{"reason", std::string(saved.message())}});
    LogInfo("snapshot in force", {{"version", snapshot.version()},
                                  {"revision", std::to_string(snapshot.revision())},
                                  {"resources", std::to_string(snapshot.resources_size())}});
    if (on_ready_) std::exchange(on_ready_, nullptr)();
  } else {
    std::string reason;
    for (const CompileError& error : outcome.errors) {
      v1::ResourceError* const entry = request.add_resource_errors();
      entry->set_name(error.resource);
      entry->set_message(error.message);
      if (!reason.empty()) reason += "; ";
      reason +=
          error.resource.empty() ? error.message : Concat(error.resource, ": ", error.message);
    }
    request.set_error(reason);
    LogError("snapshot refused, still serving the one before",
             {{"version", snapshot.version()}, {"reason", reason}});
  }
  request.set_version(version());
  request.set_revision(revision());
  return request;
}

std::string Agent::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

uint64_t Agent::revision() const {
  const std::lock_guard lock(mutex_);
  return revision_;
}

AdminResponse Agent::Admin(std::string_view path) const {
  AdminResponse response;
  if (path == "/healthz") {
    response.body = "ok\n";
  } else if (path == "/readyz") {
    const bool ready = !version().empty();
    response.status = ready ? 200 : 503;
    response.body = ready ? "ok\n" : "no snapshot yet\n";
  } else if (path == "/metrics") {
    SnapshotMetrics snapshot;
    snapshot.version = version();
    snapshot.revision = revision();
    snapshot.endpoints_down = workers_.endpoints_down();
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = RenderMetrics(workers_.Metrics(), FailureNames(), workers_.mirror_stats(),
                                  workers_.mirror_bytes(), snapshot);
  } else if (path == "/config_dump") {
    const std::lock_guard lock(mutex_);
    nlohmann::ordered_json dump;
    dump["version"] = version_;
    dump["revision"] = revision_;
    dump["resources"] = resource_names_;
    response.content_type = "application/json";
    response.body = dump.dump(2) + "\n";
  } else {
    response.status = 404;
    response.body = "try /healthz /readyz /metrics /config_dump\n";
  }
  return response;
}

}  // namespace apk

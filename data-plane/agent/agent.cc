// Compile, publish, save: in that order, and each only if the one before went well.
#include "data-plane/agent/agent.h"

#include "common/log.h"
#include "common/strings.h"

namespace apk {
namespace {

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

// Since the process began.
v1::Traffic SumOf(const WorkerGroup& workers) {
  v1::Traffic sum;
  for (const WorkerMetrics* const metrics : workers.Metrics()) {
    uint64_t requests = 0;
    for (const Counter& counter : metrics->responses_by_class) requests += counter.value();
    sum.set_requests(sum.requests() + requests);
    sum.set_responses_5xx(sum.responses_5xx() + metrics->responses_by_class[5].value());
    sum.set_gateway_errors(sum.gateway_errors() + metrics->gateway_errors.value());
  }
  return sum;
}

}  // namespace

Agent::Outcome Agent::Serve(const v1::Snapshot& snapshot) {
  Outcome outcome;
  CompileResult compiled = compiler_.Compile(snapshot);
  if (compiled.table == nullptr) {
    outcome.errors = std::move(compiled.errors);
    return outcome;
  }
  // The first requests have tokens, too.
  if (table_ == nullptr && on_issuers_) on_issuers_(*compiled.table);
  absl::StatusOr<std::vector<PortError>> published = workers_.Publish(compiled.table);
  if (!published.ok()) {
    outcome.errors.push_back(
        {.resource = "", .message = std::string(published.status().message())});
    return outcome;
  }
  outcome.port_errors = *std::move(published);
  outcome.table = std::move(compiled.table);
  if (on_issuers_) on_issuers_(*outcome.table);
  const std::lock_guard lock(mutex_);
  session_.Hold(snapshot);
  table_ = outcome.table;
  in_force_since_ = std::chrono::steady_clock::now();
  traffic_before_ = SumOf(workers_);
  return outcome;
}

absl::Status Agent::StartFromDisk(const std::string& version) {
  absl::StatusOr<v1::Snapshot> snapshot = disk_.Load();
  if (!snapshot.ok()) {
    if (!absl::IsNotFound(snapshot.status())) {
      LogError("no usable snapshot on disk",
               {{"reason", std::string(snapshot.status().message())}});
    }
    return snapshot.status();
  }
  if (!version.empty() && snapshot->version() != version) {
    return absl::FailedPreconditionError(
        Concat("the snapshot on disk is ", snapshot->version(), ", the one in use ", version,
               ", which could not be saved: see the log of the agent that runs"));
  }
  const Outcome outcome = Serve(*snapshot);
  if (outcome.table == nullptr) {
    LogError("snapshot on disk refused", {{"reason", outcome.errors.front().message}});
    return absl::FailedPreconditionError(
        Concat("the snapshot on disk can't be served: ", outcome.errors.front().message));
  }
  LogInfo("serving the snapshot on disk",
          {{"version", snapshot->version()}, {"revision", std::to_string(snapshot->revision())}});
  if (on_ready_) std::exchange(on_ready_, nullptr)();
  return absl::OkStatus();
}

v1::DiscoveryRequest Agent::Take(const v1::DiscoveryResponse& response) {
  v1::DiscoveryRequest request =
      session_.Answer(response, [this](const v1::Snapshot& snapshot, v1::DiscoveryRequest& answer) {
        TakeSnapshot(snapshot, answer);
      });
  if (!request.error().empty()) {
    LogError("snapshot refused, still serving the one before",
             {{"version", response.version()}, {"reason", request.error()}});
  }
  return request;
}

v1::DiscoveryRequest Agent::Hello(const v1::AgentInfo& agent) const {
  const std::lock_guard lock(mutex_);
  return session_.Hello(agent);
}

void Agent::TakeSnapshot(const v1::Snapshot& snapshot, v1::DiscoveryRequest& request) {
  const Outcome outcome = Serve(snapshot);
  if (outcome.table == nullptr) {
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
    return;
  }
  ReportPortErrors(*outcome.table, outcome.port_errors, request);
  const absl::Status saved = disk_.Save(snapshot);
  if (!saved.ok()) LogWarning("snapshot not saved", {{"reason", std::string(saved.message())}});
  LogInfo("snapshot in force", {{"version", snapshot.version()},
                                {"revision", std::to_string(snapshot.revision())},
                                {"resources", std::to_string(snapshot.resources_size())}});
  if (on_ready_) std::exchange(on_ready_, nullptr)();
}

std::string Agent::version() const {
  const std::lock_guard lock(mutex_);
  return session_.version();
}

uint64_t Agent::revision() const {
  const std::lock_guard lock(mutex_);
  return session_.revision();
}

bool Agent::IsOlder(const v1::DiscoveryResponse& response) const {
  const std::lock_guard lock(mutex_);
  return session_.IsOlder(response);
}

v1::Traffic Agent::traffic() const {
  const std::lock_guard lock(mutex_);
  v1::Traffic traffic = SumOf(workers_);
  traffic.set_requests(traffic.requests() - traffic_before_.requests());
  traffic.set_responses_5xx(traffic.responses_5xx() - traffic_before_.responses_5xx());
  traffic.set_gateway_errors(traffic.gateway_errors() - traffic_before_.gateway_errors());
  if (table_ != nullptr) traffic.set_version(table_->version());
  return traffic;
}

std::shared_ptr<const RouteTable> Agent::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

v1::Snapshot Agent::snapshot() const {
  const std::lock_guard lock(mutex_);
  return session_.Now();
}

std::optional<TimePoint> Agent::in_force_since() const {
  const std::lock_guard lock(mutex_);
  return in_force_since_;
}

}  // namespace apk

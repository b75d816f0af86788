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
  builder_.Reset(snapshot);
  table_ = outcome.table;
  store_ = snapshot.store();
  in_force_since_ = std::chrono::steady_clock::now();
  traffic_before_ = SumOf(workers_);
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
  if (response.held_wanted()) {
    *request.mutable_held() = builder_.Held();
  } else if (const auto snapshot = builder_.Next(response); snapshot.ok()) {
    TakeSnapshot(*snapshot, request);
  } else {
    request.set_error(std::string(snapshot.status().message()));
    request.set_whole_wanted(true);
  }
  if (!request.error().empty()) {
    LogError("snapshot refused, still serving the one before",
             {{"version", response.version()}, {"reason", request.error()}});
  }
  request.set_version(version());
  request.set_revision(revision());
  return request;
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
  return table_ == nullptr ? "" : table_->version();
}

uint64_t Agent::revision() const {
  const std::lock_guard lock(mutex_);
  return table_ == nullptr ? 0 : table_->revision();
}

std::string Agent::store() const {
  const std::lock_guard lock(mutex_);
  return store_;
}

bool Agent::IsOlder(const v1::DiscoveryResponse& response) const {
  const std::lock_guard lock(mutex_);
  return table_ != nullptr && !response.held_wanted() && !store_.empty() &&
         response.store() == store_ && response.revision() < table_->revision() &&
         table_->revision() > response.withdrawn_revision();
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
  v1::Snapshot snapshot = builder_.Now();
  if (table_ == nullptr) return snapshot;
  snapshot.set_version(table_->version());
  snapshot.set_revision(table_->revision());
  return snapshot;
}

std::optional<TimePoint> Agent::in_force_since() const {
  const std::lock_guard lock(mutex_);
  return in_force_since_;
}

}  // namespace apk

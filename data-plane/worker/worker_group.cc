// Publishing is a rendezvous: the caller waits for every worker's word.
#include "data-plane/worker/worker_group.h"

#include <condition_variable>
#include <mutex>

#include "common/status_macros.h"

namespace apk {
namespace {

// Waits for a number of answers. Shared by the caller and the workers.
class Rendezvous {
 public:
  explicit Rendezvous(size_t expected) : missing_(expected) {}

  void Arrive(std::vector<PortError> errors) {
    const std::lock_guard lock(mutex_);
    for (PortError& error : errors) {
      if (seen_.emplace(error.address, error.port).second) errors_.push_back(std::move(error));
    }
    --missing_;
    all_here_.notify_one();
  }

  std::vector<PortError> Wait() {
    std::unique_lock lock(mutex_);
    all_here_.wait(lock, [this] { return missing_ == 0; });
    return std::move(errors_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  size_t missing_;
  std::set<std::pair<std::string, uint16_t>> seen_;
  std::vector<PortError> errors_;
};

// Shared by who asks and the workers, the late ones included.
class ReportAnswers {
 public:
  explicit ReportAnswers(size_t workers) : reports_(workers), missing_(workers) {}

  void Add(size_t worker, WorkerReport report) {
    const std::lock_guard lock(mutex_);
    reports_[worker] = std::move(report);
    --missing_;
    all_here_.notify_one();
  }

  WorkerReports Wait(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    all_here_.wait_for(lock, patience, [this] { return missing_ == 0; });
    return reports_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  WorkerReports reports_;
  size_t missing_;
};

}  // namespace

WorkerGroup::WorkerGroup(size_t workers, const WorkerOptions& options,
                         const MirrorLimits& mirror_limits, const Observers& observers)
    : options_(options),
      addresses_(options.connections_per_address_max),
      health_(backends_, options.pool.dns_servers),
      budget_(mirror_limits),
      mirrors_(mirror_limits, budget_) {
  for (size_t i = 0; i < workers; ++i) {
    AccessLogDoor* const door =
        observers.access_log == nullptr ? nullptr : &observers.access_log->door(i);
    Tracer* const tracer = observers.tracing == nullptr ? nullptr : &observers.tracing->tracer(i);
    workers_.push_back(std::make_unique<Worker>(
        static_cast<int>(i), options_, addresses_, backends_, budget_, mirror_stats_,
        [this] { mirrors_.Wake(); }, door, tracer));
    mirrors_.AddDoor(&workers_.back()->mirror_door());
  }
}

WorkerGroup::~WorkerGroup() {
  for (const auto& worker : workers_) worker->Stop();
  mirrors_.Stop();
}

void WorkerGroup::Start() {
  mirrors_.Start();
  for (const auto& worker : workers_) worker->Start();
}

std::vector<PortError> WorkerGroup::FindTakenPorts(const RouteTable& table) const {
  std::vector<PortError> taken;
  asio::io_context io;
  for (const Port& port : table.ports()) {
    if (bound_.contains({port.address, port.port})) continue;
    const std::string& address = port.address.empty() ? options_.default_address : port.address;
    boost::system::error_code error;
    const asio::ip::address parsed = asio::ip::make_address(address, error);
    asio::ip::tcp::acceptor probe(io);
    const asio::ip::tcp::endpoint endpoint(parsed, port.port);
    if (!error) probe.open(endpoint.protocol(), error);
    if (!error) probe.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) probe.bind(endpoint, error);
    if (!error) continue;
    taken.push_back(MakePortError(port, address, error));
  }
  return taken;
}

absl::StatusOr<std::vector<PortError>> WorkerGroup::Publish(
    std::shared_ptr<const RouteTable> table) {
  ASSIGN_OR_RETURN(std::shared_ptr<PortContexts> contexts,
                   MakePortContexts(*table, contexts_.get()));
  std::vector<PortError> taken = FindTakenPorts(*table);
  for (const PortError& port : taken) contexts->taken.emplace(port.address, port.port);
  auto rendezvous = std::make_shared<Rendezvous>(workers_.size());
  for (const auto& worker : workers_) {
    worker->Adopt(table, contexts, [rendezvous](std::vector<PortError> errors) {
      rendezvous->Arrive(std::move(errors));
    });
  }
  std::vector<PortError> errors = rendezvous->Wait();
  for (PortError& port : taken) errors.push_back(std::move(port));
  bound_ = PortsBound(*table, errors);
  contexts_ = std::move(contexts);
  health_.SetBackends(std::move(table));
  return errors;
}

std::set<std::pair<std::string, uint16_t>> WorkerGroup::PortsBound(
    const RouteTable& table, const std::vector<PortError>& errors) {
  std::set<std::pair<std::string, uint16_t>> bound;
  for (const Port& port : table.ports()) bound.emplace(port.address, port.port);
  for (const PortError& error : errors) bound.erase({error.address, error.port});
  return bound;
}

void WorkerGroup::PublishKeys(std::shared_ptr<const KeyStore> keys) {
  for (const auto& worker : workers_) worker->AdoptKeys(keys);
}

void WorkerGroup::StartDrain() {
  draining_.store(true);
  for (const auto& worker : workers_) worker->Drain();
}

void WorkerGroup::Drain(std::chrono::milliseconds grace) {
  StartDrain();
  const TimePoint latest = std::chrono::steady_clock::now() + grace;
  for (;;) {
    uint64_t active = 0;
    for (const auto& worker : workers_) active += worker->metrics().connections_active.value();
    if (active == 0 || std::chrono::steady_clock::now() >= latest) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

WorkerReports WorkerGroup::Report(std::chrono::milliseconds patience) const {
  const auto answers = std::make_shared<ReportAnswers>(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->Report([answers, i](WorkerReport report) { answers->Add(i, std::move(report)); });
  }
  return answers->Wait(patience);
}

bool WorkerGroup::IsUp(const Backend& backend, size_t endpoint) {
  if (!backend.health_check.has_value()) return true;
  return backends_.Find(backend.connection_key, backend.endpoints.size())->health.IsUp(endpoint);
}

std::vector<const WorkerMetrics*> WorkerGroup::Metrics() const {
  std::vector<const WorkerMetrics*> metrics;
  for (const auto& worker : workers_) metrics.push_back(&worker->metrics());
  return metrics;
}

}  // namespace apk

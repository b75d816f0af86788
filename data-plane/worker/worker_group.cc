// Publishing is a rendezvous: the caller waits for every worker's word.
#include "data-plane/worker/worker_group.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "common/status_macros.h"

namespace apk {
namespace {

// Waits for a number of answers, each of several parts. Shared by the caller and the workers.
template <class Part>
class Rendezvous {
 public:
  explicit Rendezvous(size_t expected) : missing_(expected) {}

  void Arrive(std::vector<Part> parts) {
    const std::lock_guard lock(mutex_);
    for (Part& part : parts) parts_.push_back(std::move(part));
    --missing_;
    all_here_.notify_one();
  }

  std::vector<Part> Wait() {
    std::unique_lock lock(mutex_);
    all_here_.wait(lock, [this] { return missing_ == 0; });
    return std::move(parts_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  size_t missing_;
  std::vector<Part> parts_;
};

// Workers say the same of a port: once is enough.
std::vector<PortError> OncePerPort(std::vector<PortError> errors) {
  std::set<std::pair<std::string, uint16_t>> seen;
  std::vector<PortError> once;
  for (PortError& error : errors) {
    if (seen.emplace(error.address, error.port).second) once.push_back(std::move(error));
  }
  return once;
}

// Unix time; 0 where nothing is stapled that ends.
uint64_t FirstStapleEndOf(const PortContexts& contexts) {
  WallTime first = WallTime::max();
  for (const auto& [port, entry] : contexts.by_port) {
    first = std::min(first, FirstStapleEnd(entry.context).value_or(first));
  }
  return first == WallTime::max()
             ? 0
             : static_cast<uint64_t>(std::chrono::system_clock::to_time_t(first));
}

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

WorkerGroup::~WorkerGroup() { Stop(); }

void WorkerGroup::Stop() {
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
    const bool inherited =
        std::any_of(inherited_.begin(), inherited_.end(),
                    [&port](const auto& socket) { return socket.port == port.port; });
    if (bound_.contains({port.address, port.port}) || inherited) continue;
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

// With fewer workers than there were some listen by several sockets of a port: one that is closed
// would lose the connections that wait in it. Workers without one open their own.
std::vector<std::vector<ListeningSocket>> WorkerGroup::DealInherited(const RouteTable& table) {
  std::vector<std::vector<ListeningSocket>> hands(workers_.size());
  for (const Port& port : table.ports()) {
    const std::string& address = port.address.empty() ? options_.default_address : port.address;
    size_t next = 0;
    for (ListeningSocket& socket : TakeListeners(inherited_, address, port.port)) {
      hands[next++ % hands.size()].push_back(std::move(socket));
    }
  }
  inherited_.clear();
  return hands;
}

absl::StatusOr<std::vector<PortError>> WorkerGroup::Publish(
    std::shared_ptr<const RouteTable> table) {
  ASSIGN_OR_RETURN(std::shared_ptr<PortContexts> contexts,
                   MakePortContexts(*table, contexts_.get(), tickets_, options_.tls_records));
  std::vector<PortError> taken = FindTakenPorts(*table);
  for (const PortError& port : taken) contexts->taken.emplace(port.address, port.port);
  std::set<uint16_t> inherited;
  for (const ListeningSocket& socket : inherited_) inherited.insert(socket.port);
  std::vector<std::vector<ListeningSocket>> sockets = DealInherited(*table);
  auto rendezvous = std::make_shared<Rendezvous<PortError>>(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->Adopt(
        table, contexts, std::move(sockets[i]),
        [rendezvous](std::vector<PortError> errors) { rendezvous->Arrive(std::move(errors)); });
  }
  std::vector<PortError> errors = OncePerPort(rendezvous->Wait());
  for (PortError& port : taken) errors.push_back(std::move(port));
  for (const PortError& error : errors) {
    if (inherited.contains(error.port)) return absl::UnavailableError(error.message);
  }
  bound_ = PortsBound(*table, errors);
  first_staple_end_.store(FirstStapleEndOf(*contexts));
  contexts_ = std::move(contexts);
  health_.SetBackends(std::move(table));
  return errors;
}

std::vector<ListeningSocket> WorkerGroup::ShareListeners() const {
  auto rendezvous = std::make_shared<Rendezvous<ListeningSocket>>(workers_.size());
  for (const auto& worker : workers_) {
    worker->ShareListeners([rendezvous](std::vector<ListeningSocket> sockets) {
      rendezvous->Arrive(std::move(sockets));
    });
  }
  return rendezvous->Wait();
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

void WorkerGroup::EndConnections() {
  ending_.store(true);
  for (const auto& worker : workers_) worker->EndConnections();
}

void WorkerGroup::StopAccepting() {
  auto rendezvous = std::make_shared<Rendezvous<int>>(workers_.size());
  for (const auto& worker : workers_) {
    worker->StopAccepting([rendezvous] { rendezvous->Arrive({}); });
  }
  rendezvous->Wait();
}

uint64_t WorkerGroup::connections() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) sum += worker->metrics().connections_active.value();
  return sum;
}

WorkerReports WorkerGroup::Report(std::chrono::milliseconds patience) const {
  const auto answers = std::make_shared<ReportAnswers>(workers_.size());
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->Report([answers, i](WorkerReport report) { answers->Add(i, std::move(report)); });
  }
  return answers->Wait(patience);
}

std::optional<uint64_t> WorkerGroup::first_staple_end() const {
  const uint64_t end = first_staple_end_.load();
  return end == 0 ? std::nullopt : std::optional(end);
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

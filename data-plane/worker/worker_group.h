// All workers and the mirror thread of one agent, as one thing to publish to.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data-plane/mirror/mirror_sender.h"
#include "data-plane/observe/access_log.h"
#include "data-plane/tracing/tracer.h"
#include "data-plane/upstream/health_checker.h"
#include "data-plane/worker/worker.h"

namespace apk {

// Who is told of each request; for each worker there is a part of its own. They outlive the group.
struct Observers {
  AccessLog* access_log = nullptr;  // nullptr: nothing is logged,
  Tracing* tracing = nullptr;       // no spans are recorded.
};

class WorkerGroup {
 public:
  WorkerGroup(size_t workers, const WorkerOptions& options, const MirrorLimits& mirror_limits,
              const Observers& observers);
  ~WorkerGroup();

  void Start();
  // Ends everything at once, but gives copies under way a little time.
  void Stop();
  // Returns when every worker uses the table. Ports that could not be bound are reported, once
  // each; the rest is served. An error means that nothing changed, or that a port is not served which others were
  // served by: then the agent can't take over. One thread calls this.
  absl::StatusOr<std::vector<PortError>> Publish(std::shared_ptr<const RouteTable> table);
  void PublishKeys(std::shared_ptr<const KeyStore> keys);
  // What ports of the next table listen by where it is bound there already. Those of no port are closed then.
  // Called before Publish is for the first time.
  void Inherit(std::vector<ListeningSocket> sockets) { inherited_ = std::move(sockets); }
  // Second descriptors of all that is listened by; empty where there are none left.
  std::vector<ListeningSocket> ShareListeners() const;

  // Connections end with the exchanges that they carry; new ones are still accepted. Thread-safe.
  void EndConnections();
  bool ending() const { return ending_.load(); }
  // Returns when no worker accepts any more; what the kernel had accepted is served. Thread-safe.
  void StopAccepting();
  uint64_t connections() const;  // Of clients, now.

  // Asks every worker and waits for those that answer within `patience`. Thread-safe.
  WorkerReports Report(std::chrono::milliseconds patience) const;
  std::vector<const WorkerMetrics*> Metrics() const;
  // By the backend's health checks; up where it has none. Thread-safe.
  bool IsUp(const Backend& backend, size_t endpoint);
  const std::string& default_address() const { return options_.default_address; }
  const MirrorStatsRegistry& mirror_stats() const { return mirror_stats_; }
  // Unix time at which the first OCSP response ends that clients are given; nullopt: none is. Thread-safe.
  std::optional<uint64_t> first_staple_end() const;
  uint64_t endpoints_down() const { return health_.down(); }
  // What clients resume their sessions by. Thread-safe.
  TicketKeys& tickets() { return *tickets_; }
  uint64_t mirror_bytes() const { return budget_.total_bytes.load(); }

 private:
  // The inherited sockets of each worker.
  std::vector<std::vector<ListeningSocket>> DealInherited(const RouteTable& table);
  // Another process's socket on the same port would share its connections silently (SO_REUSEPORT).
  std::vector<PortError> FindTakenPorts(const RouteTable& table) const;
  // The ports of a table without those of `errors`.
  static std::set<std::pair<std::string, uint16_t>> PortsBound(
      const RouteTable& table, const std::vector<PortError>& errors);

  const WorkerOptions options_;
  ClientAddresses addresses_;
  SharedBackends backends_;
  HealthChecker health_;
  MirrorBudget budget_;
  MirrorStatsRegistry mirror_stats_;
  MirrorSender mirrors_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> ending_{false};
  std::vector<ListeningSocket> inherited_;
  std::shared_ptr<TicketKeys> tickets_ = std::make_shared<TicketKeys>();
  std::set<std::pair<std::string, uint16_t>> bound_;
  std::shared_ptr<const PortContexts> contexts_;
  std::atomic<uint64_t> first_staple_end_{0};  // 0: there is none.
};

}  // namespace apk

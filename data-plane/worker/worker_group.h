// All workers and the mirror thread of one agent, as one thing to publish to.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data-plane/mirror/mirror_sender.h"
#include "data-plane/upstream/health_checker.h"
#include "data-plane/worker/worker.h"

namespace apk {

class WorkerGroup {
 public:
  WorkerGroup(size_t workers, const WorkerOptions& options, const MirrorLimits& mirror_limits);
  ~WorkerGroup();

  void Start();
  // Returns when every worker uses the table. Ports that could not be bound are reported, once
  // each; the rest is served. An error means that nothing changed. One thread calls this.
  absl::StatusOr<std::vector<PortError>> Publish(std::shared_ptr<const RouteTable> table);
  void PublishKeys(std::shared_ptr<const KeyStore> keys);
  // Stops accepting and waits until no client connection is left, at most for `grace`.
  void Drain(std::chrono::milliseconds grace);

  std::vector<const WorkerMetrics*> Metrics() const;
  const MirrorStatsRegistry& mirror_stats() const { return mirror_stats_; }
  uint64_t endpoints_down() const { return health_.down(); }
  uint64_t mirror_bytes() const { return budget_.total_bytes.load(); }

 private:
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
  std::set<std::pair<std::string, uint16_t>> bound_;
  std::shared_ptr<const PortContexts> contexts_;
};

}  // namespace apk

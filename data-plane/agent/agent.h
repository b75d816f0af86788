// The agent: takes snapshots, compiles them, has the workers adopt them, keeps the last one on
// disk. Used by one thread at a time: main before the discovery client starts, then that client's
// thread.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/discovery.pb.h"
#include "common/clock.h"
#include "data-plane/agent/discovery_session.h"
#include "data-plane/agent/last_good_snapshot.h"
#include "data-plane/routing/compile.h"
#include "data-plane/worker/worker_group.h"

namespace apk {

class Agent {
 public:
  // `own_address`: where listeners that name no address are served.
  Agent(WorkerGroup& workers, LastGoodSnapshot& disk, const std::string& own_address)
      : workers_(workers), disk_(disk), compiler_(own_address, series_) {}

  // Serves from disk where there is a good snapshot. Called once, before anything is received. `version`: another
  // than this is not served, unless it is "".
  absl::Status StartFromDisk(const std::string& version = "");

  // The first request of a stream. Thread-safe.
  v1::DiscoveryRequest Hello(const v1::AgentInfo& agent) const;
  // Takes a response whole or not at all, and says which, or tells what is asked: the request to
  // send back, nonce included.
  v1::DiscoveryRequest Take(const v1::DiscoveryResponse& response);

  // "" where there is none yet. Thread-safe.
  std::string version() const;
  uint64_t revision() const;
  // As DiscoverySession has it. Thread-safe.
  bool IsOlder(const v1::DiscoveryResponse& response) const;
  // The table in use; nullptr where there is none yet. Thread-safe.
  std::shared_ptr<const RouteTable> table() const;
  // A copy of the snapshot in use, secrets included. Thread-safe.
  v1::Snapshot snapshot() const;
  // When the workers took it; nullopt where there is none yet. Thread-safe.
  std::optional<TimePoint> in_force_since() const;
  // What was answered since then. Thread-safe.
  v1::Traffic traffic() const;
  const SeriesBook& series() const { return series_; }

  // Called once, when the first snapshot is being served.
  void OnReady(std::function<void()> ready) { on_ready_ = std::move(ready); }
  void SetTokenIssuerSink(std::function<void(const RouteTable&)> sink) {
    on_issuers_ = std::move(sink);
  }

 private:
  struct Outcome {
    std::vector<CompileError> errors;
    std::vector<PortError> port_errors;
    std::shared_ptr<const RouteTable> table;
  };
  Outcome Serve(const v1::Snapshot& snapshot);
  // Writes what came of it into the request.
  void TakeSnapshot(const v1::Snapshot& snapshot, v1::DiscoveryRequest& request);

  WorkerGroup& workers_;
  LastGoodSnapshot& disk_;
  SeriesBook series_;
  Compiler compiler_;
  std::function<void()> on_ready_;
  std::function<void(const RouteTable&)> on_issuers_;

  mutable std::mutex mutex_;  // Over what other threads read.
  DiscoverySession session_;  // Written by the thread that uses the agent, under it.
  std::shared_ptr<const RouteTable> table_;
  std::optional<TimePoint> in_force_since_;
  v1::Traffic traffic_before_;  // What was answered until then.
};

}  // namespace apk

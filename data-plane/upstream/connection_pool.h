// One worker's connections to backends, kept alive between exchanges. Used by that worker's thread
// only. Pools are found by the backend's connection key, so they survive snapshots that do not
// change it.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "data-plane/net/dialer.h"
#include "data-plane/routing/route_table.h"
#include "data-plane/session/h1_client.h"

namespace apk {

struct PoolLimits {
  size_t idle_max = 256;            // Per endpoint.
  uint32_t connections_max = 1024;  // Per backend, where the backend does not say.
  std::chrono::milliseconds idle_timeout{30'000};
  std::chrono::milliseconds connect_timeout{5000};
};

class ConnectionPool {
 public:
  ConnectionPool(Executor executor, DeadlineList& deadlines, const PoolLimits& limits)
      : limits_(limits), dialer_(executor, deadlines) {}

  // A place at a backend for one exchange, and the connection it runs on.
  struct Lease {
    std::unique_ptr<H1ClientConnection> connection;  // nullptr: Open it.
    uint64_t key = 0;                                // Of the backend.
    size_t endpoint = 0;                             // Index into its endpoints.
    bool reserved = false;  // Counts against the backend's limit until Release.
  };

  // Reserves a place and takes an idle connection where there is one; false at the backend's limit.
  // Endpoints take turns. REQUIRES: the backend has endpoints.
  bool Acquire(const Backend& backend, Lease& lease);
  // Opens a new connection for the lease.
  Task<DialError> Open(const Backend* backend, Lease* lease);
  // Ends the lease; a reusable connection becomes idle, any other is closed.
  void Release(Lease& lease);

  // Drops idle connections whose time is up, and pools that are empty.
  void CloseExpired();

 private:
  struct EndpointPool {
    std::vector<std::unique_ptr<H1ClientConnection>> idle;  // Used last is taken first.
  };
  struct BackendPool {
    std::vector<EndpointPool> endpoints;
    size_t next_endpoint = 0;
    uint32_t active = 0;
  };

  PoolLimits limits_;
  Dialer dialer_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<BackendPool>> pools_;
};

}  // namespace apk

// One worker's connections to backends, kept alive between exchanges. Used by that worker's thread
// only. Pools are found by the backend's connection key, so they survive snapshots that do not
// change it.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data-plane/net/dialer.h"
#include "data-plane/net/timer.h"
#include "data-plane/routing/route_table.h"
#include "data-plane/session/h1_client.h"
#include "data-plane/session/h2_client.h"
#include "data-plane/upstream/endpoint_figures.h"
#include "data-plane/upstream/shared_backends.h"

namespace apk {

struct PoolLimits {
  size_t idle_max = 256;  // Per endpoint.
  uint32_t requests_max =
      1024;                  // At a time per backend and worker, where the backend does not say.
  uint32_t retries_min = 3;  // The same of retries: at least this many,
  uint32_t retries_percent = 20;  // or that part of the requests under way.
  std::chrono::milliseconds idle_timeout{30'000};
  std::chrono::milliseconds connect_timeout{5000};
  size_t endpoints_tried_max = 3;  // By one request, while none accepts its connection.
  // An endpoint that could not be reached is passed over by the worker for so long, where there are
  // others; twice as long each time it fails again.
  std::chrono::milliseconds first_backoff{1000};
  std::chrono::milliseconds longest_backoff{30'000};
  EjectionPolicy ejection;
  std::chrono::milliseconds slow_start{10'000};  // Of an endpoint that comes back; 0: none.
  std::vector<std::string> dns_servers;          // address:port; none: those of /etc/resolv.conf.
  H2Limits h2{.connection_window = 8 * 1024 * 1024,  // No stream holds up the others.
              .idle_timeout = std::chrono::milliseconds(30'000)};
};

// Why there is no connection.
enum class OpenError : uint8_t {
  kNone,
  kPendingLimit,  // As many wait for one as may.
  kNoPlace,       // None became free in time.
  kDns,           // The rest as DialError.
  kConnect,
  kTimeout,
  kTls,
};

class ConnectionPool {
  struct BackendPool;

 public:
  // `shared` is that of all workers and outlives the pool.
  ConnectionPool(Executor executor, DeadlineList& deadlines, const PoolLimits& limits,
                 SharedBackends& shared);
  ~ConnectionPool();

  // A place at a backend for one exchange, and the connection it runs on.
  struct Lease {
    std::unique_ptr<H1ClientConnection> connection;  // Either this
    std::unique_ptr<H2ClientExchange> stream;        // or this; neither: Open it.
    BackendPool* pool = nullptr;                     // Stays as long as it is reserved.
    size_t endpoint = 0;                             // Index into its endpoints.
    size_t endpoints_tried = 0;
    bool reserved = false;        // Counts against the backend's limit until Release.
    bool counted = false;         // Also against that of all workers.
    bool retry_counted = false;   // Likewise, from EnterRetry to LeaveRetry.
    bool opened = false;          // By the last Open: nobody used the connection before.
    bool short_of_place = false;  // By the last Open: it found no place for a connection.
    ConnectionPlace place;        // Of `connection`, where they are limited.

    // What the request is sent by; nullptr: Open it.
    ClientExchange* exchange() const {
      return stream != nullptr ? static_cast<ClientExchange*>(stream.get()) : connection.get();
    }
    // Lets go of it, for another try.
    void DropExchange() {
      connection.reset();
      stream.reset();
    }
  };

  // Counts a request and takes an idle connection where there is one; false at the backend's limit.
  // Endpoints take turns, unless a second one, taken at random, has fewer exchanges under way, or
  // `endpoint` says which; a lease that was released, for another try, is not given the same one
  // again where there are others. REQUIRES: the backend has endpoints.
  bool Acquire(const Backend& backend, Lease& lease, std::optional<size_t> endpoint = std::nullopt);
  // After Open has failed: the same at the next endpoint; false when enough of them were tried.
  bool MoveOn(const Backend& backend, Lease& lease);
  // Gets a connection for the lease, until `deadline` and the connect time-out at most: a new one,
  // or one that another exchange leaves, where there may be no more; that is waited for until
  // `latest_place`.
  Task<OpenError> Open(const Backend* backend, Lease* lease, TimePoint deadline,
                       TimePoint latest_place);
  // A request that has failed is to be sent again; false where too many are already, otherwise
  // LeaveRetry follows. REQUIRES: the lease was acquired.
  bool EnterRetry(const Backend& backend, Lease& lease) const;
  void LeaveRetry(Lease& lease) const;
  // Until then, or until the worker stops: nothing is to hold that up.
  Task<> Pause(TimePoint until);
  // A connection of its own for bytes of any protocol, to one endpoint after the other from
  // `first_endpoint` on; `sealed` ones without TLS of their own. REQUIRES: the backend has
  // endpoints.
  Task<DialResult> OpenTunnel(const Backend* backend, size_t first_endpoint, bool sealed);
  // How a request to the lease's endpoint went, as far as that was the endpoint's doing. True where
  // it is ejected for it.
  void ReportSuccess(const Lease& lease) const {
    if (lease.pool->shared != nullptr) lease.pool->shared->health.OnSuccess(lease.endpoint);
  }
  bool ReportFailure(const Backend& backend, const Lease& lease);
  // Ends the lease; a reusable connection becomes idle, any other is closed.
  void Release(Lease& lease);

  // By endpoint, as they are now.
  std::vector<EndpointFigures> Figures(const Backend& backend) const;

  // Drops idle connections whose time is up, and pools that are empty.
  void CloseExpired();

 private:
  struct Dialling {
    std::vector<Timer*> waiting;  // Cancelled when it is over.
    DialError error = DialError::kNone;
  };
  class Wait;
  class PlaceWait;
  class IdleHolder;
  struct IdleConnection {
    ConnectionPlace place;  // Given back after the connection was closed.
    std::unique_ptr<H1ClientConnection> connection;
  };
  struct SharedConnection {
    ConnectionPlace place;
    std::shared_ptr<H2ClientConnection> connection;
  };
  struct EndpointPool {
    std::vector<IdleConnection> idle;  // Used last is taken first.
    uint32_t active = 0;
    uint32_t pending = 0;  // Of these, in Open.
    TimePoint backoff_until{};
    std::chrono::milliseconds backoff{0};  // The last one's; 0: it accepted since.
    std::vector<SharedConnection> shared;
    std::vector<Wait*> room_waits;       // For a stream on one of these.
    std::shared_ptr<Dialling> dialling;  // While a connection to share is being opened.
  };
  struct BackendPool {
    std::vector<EndpointPool> endpoints;
    size_t next_endpoint = 0;
    uint32_t active = 0;
    uint32_t retries = 0;
    std::shared_ptr<SharedBackend> shared;  // nullptr: one endpoint, neither limits nor checks.
    std::unique_ptr<IdleHolder> holder;     // Where connections are limited.
  };

  static bool BacksOff(const EndpointPool& endpoint) {
    return endpoint.backoff.count() > 0 && endpoint.backoff_until > Now();
  }
  static bool IsEjected(const BackendPool& pool, size_t endpoint) {
    return pool.shared != nullptr && pool.shared->health.IsUnsettled(endpoint) &&
           pool.shared->health.IsEjected(endpoint, Now());
  }
  // The first endpoint from `first` on that is neither down, ejected nor backing off; `first` where
  // all are.
  static size_t FirstInUse(const BackendPool& pool, size_t first);
  size_t ChooseEndpoint(BackendPool& pool);
  // By chance, where it came back just now.
  bool TakesItsShare(const BackendPool& pool, size_t endpoint);
  uint32_t NextRandom() {
    random_ = random_ * 1664525 + 1013904223;
    return random_ >> 8;
  }
  void Settle(const Backend& backend, BackendPool& pool, Lease& lease, size_t endpoint);

  BackendPool& PoolOf(const Backend& backend);
  // A stream on a connection that has room for it.
  static bool TakeStream(EndpointPool& endpoint, Lease& lease);
  Task<OpenError> OpenFresh(const Backend* backend, Lease* lease, TimePoint deadline,
                            TimePoint latest_place);
  Task<OpenError> OpenStream(const Backend* backend, Lease* lease, TimePoint deadline,
                             TimePoint latest_place);
  Task<DialResult> Dial(const Backend* backend, const Lease* lease, TimePoint deadline);
  Task<bool> TakePlace(Lease* lease, TimePoint latest);
  Task<bool> WaitForRoom(EndpointPool* endpoint, TimePoint latest);
  void WakeRoomWaits(uint64_t key, size_t endpoint);
  Task<> RunShared(std::shared_ptr<H2ClientConnection> connection, uint64_t key, size_t endpoint);
  void KeepOrPassOn(BackendPool& pool, Lease& lease);
  // Where others wait for a place that a connection has which nobody uses.
  void GiveOneUp(uint64_t key);
  static void CountIdle(BackendPool& pool);

  PoolLimits limits_;
  SharedBackends& shared_;
  uint32_t random_ = 1;
  Executor executor_;
  DeadlineList& deadlines_;
  Dialer dialer_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<BackendPool>> pools_;
};

}  // namespace apk

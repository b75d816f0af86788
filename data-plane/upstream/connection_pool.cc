// LIFO, so that what is not needed grows old and goes.
#include "data-plane/upstream/connection_pool.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "data-plane/upstream/dial_target.h"

namespace apk {

bool ConnectionPool::Acquire(const Backend& backend, Lease& lease, std::optional<size_t> endpoint) {
  std::unique_ptr<BackendPool>& slot = pools_[backend.connection_key];
  if (slot == nullptr) {
    slot = std::make_unique<BackendPool>();
    slot->endpoints.resize(backend.endpoints.size());
  }
  BackendPool& pool = *slot;
  if (pool.shared == nullptr && (backend.max_connections > 0 || backend.health_check.has_value())) {
    pool.shared = shared_.Find(backend.connection_key, backend.endpoints.size());
  }
  if (backend.max_connections > 0) {
    lease.counted = pool.shared->Enter(backend.max_connections);
    if (!lease.counted) return false;
  } else if (pool.active >= limits_.connections_max) {
    return false;
  }
  ++pool.active;
  lease.pool = &pool;
  lease.reserved = true;
  lease.endpoints_tried = 0;
  Settle(backend, pool, lease, endpoint.has_value() ? *endpoint : ChooseEndpoint(pool));
  return true;
}

bool ConnectionPool::MoveOn(const Backend& backend, Lease& lease) {
  if (lease.endpoints_tried >= std::min(limits_.endpoints_tried_max, backend.endpoints.size())) {
    return false;
  }
  BackendPool& pool = *lease.pool;
  --pool.endpoints[lease.endpoint].active;
  Settle(backend, pool, lease, FirstInUse(pool, (lease.endpoint + 1) % pool.endpoints.size()));
  return true;
}

size_t ConnectionPool::FirstInUse(const BackendPool& pool, size_t first) {
  const size_t count = pool.endpoints.size();
  const TimePoint now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < count; ++i) {
    const size_t candidate = (first + i) % count;
    const EndpointPool& endpoint = pool.endpoints[candidate];
    const bool ejected = endpoint.ejection.count() > 0 && endpoint.ejected_until > now;
    if (!ejected && (pool.shared == nullptr || pool.shared->IsUp(candidate))) return candidate;
  }
  return first;
}

size_t ConnectionPool::ChooseEndpoint(BackendPool& pool) {
  const size_t count = pool.endpoints.size();
  if (count == 1) return 0;
  const size_t turn = pool.next_endpoint;
  pool.next_endpoint = turn + 1 == count ? 0 : turn + 1;
  random_ = random_ * 1664525 + 1013904223;  // Any other one will do.
  const size_t other = (turn + 1 + (random_ >> 8) % (count - 1)) % count;
  const size_t first = FirstInUse(pool, turn);
  const size_t second = FirstInUse(pool, other);
  return pool.endpoints[second].active < pool.endpoints[first].active ? second : first;
}

void ConnectionPool::Settle(const Backend& backend, BackendPool& pool, Lease& lease,
                            size_t endpoint) {
  lease.endpoint = endpoint;
  ++lease.endpoints_tried;
  ++pool.endpoints[endpoint].active;
  if (backend.http2 && TakeStream(pool.endpoints[endpoint], lease)) return;
  auto& idle = pool.endpoints[endpoint].idle;
  while (!idle.empty()) {
    std::unique_ptr<H1ClientConnection> connection = std::move(idle.back());
    idle.pop_back();
    if (!connection->StillQuiet(false)) continue;
    lease.connection = std::move(connection);
    break;
  }
}

bool ConnectionPool::TakeStream(EndpointPool& endpoint, Lease& lease) {
  for (const auto& connection : endpoint.shared) {
    if (!connection->HasRoom()) continue;
    lease.stream = connection->Open();
    return true;
  }
  return false;
}

// One connection is opened at a time; who comes meanwhile waits for it.
Task<DialError> ConnectionPool::OpenStream(const Backend* backend, Lease* lease, TimePoint latest) {
  EndpointPool& endpoint = lease->pool->endpoints[lease->endpoint];
  if (TakeStream(endpoint, *lease)) co_return DialError::kNone;
  while (endpoint.dialling != nullptr) {
    const std::shared_ptr<Dialling> dialling = endpoint.dialling;
    Timer over(executor_, latest);
    dialling->waiting.push_back(&over);
    const auto [cancelled] = co_await over.async_wait(kTuple);
    std::erase(dialling->waiting, &over);
    if (!cancelled) co_return DialError::kTimeout;
    // Who opened it may have had less time than this one has.
    const bool in_vain =
        dialling->error != DialError::kNone && dialling->error != DialError::kTimeout;
    if (in_vain) co_return dialling->error;
    if (TakeStream(endpoint, *lease)) co_return DialError::kNone;
  }
  const auto dialling = std::make_shared<Dialling>();
  endpoint.dialling = dialling;
  DialResult result = co_await Dial(backend, lease, latest);
  endpoint.dialling = nullptr;
  dialling->error = result.error;
  for (Timer* const over : dialling->waiting) over->cancel();
  if (result.error != DialError::kNone) co_return result.error;
  const bool secure = backend->tls.has_value();
  if (secure && !result.http2) {
    lease->connection = std::make_unique<H1ClientConnection>(std::move(result.stream));
    co_return DialError::kNone;
  }
  auto connection = std::make_shared<H2ClientConnection>(executor_, std::move(result.stream),
                                                         deadlines_, limits_.h2, secure);
  std::erase_if(endpoint.shared, [](const auto& other) { return other->closed(); });
  endpoint.shared.push_back(connection);
  lease->stream = connection->Open();
  asio::co_spawn(executor_, connection->Run(std::string()), Detached());
  co_return DialError::kNone;
}

Task<DialError> ConnectionPool::Open(const Backend* backend, Lease* lease, TimePoint deadline) {
  const TimePoint latest =
      std::min(deadline, std::chrono::steady_clock::now() + limits_.connect_timeout);
  BackendPool& pool = *lease->pool;
  const size_t endpoint = lease->endpoint;
  ++pool.endpoints[endpoint].pending;
  const DialError error = co_await OpenFresh(backend, lease, latest);
  --pool.endpoints[endpoint].pending;
  co_return error;
}

Task<DialError> ConnectionPool::OpenFresh(const Backend* backend, Lease* lease, TimePoint latest) {
  if (backend->http2) co_return co_await OpenStream(backend, lease, latest);
  DialResult result = co_await Dial(backend, lease, latest);
  if (result.error == DialError::kNone) {
    lease->connection = std::make_unique<H1ClientConnection>(std::move(result.stream));
  }
  co_return result.error;
}

Task<DialResult> ConnectionPool::Dial(const Backend* backend, const Lease* lease,
                                      TimePoint latest) {
  DialTarget target = DialTargetOf(*backend, lease->endpoint);
  DialResult result = co_await dialer_.Dial(std::move(target), latest);
  EndpointPool& dialled = lease->pool->endpoints[lease->endpoint];
  if (result.error != DialError::kNone) {
    dialled.ejection = dialled.ejection.count() == 0
                           ? limits_.first_ejection
                           : std::min(dialled.ejection * 2, limits_.longest_ejection);
    dialled.ejected_until = std::chrono::steady_clock::now() + dialled.ejection;
  } else {
    dialled.ejection = std::chrono::milliseconds(0);
    dialled.ejected_until = TimePoint();
  }
  co_return result;
}

Task<DialResult> ConnectionPool::OpenTunnel(const Backend* backend, size_t first_endpoint,
                                              bool sealed) {
  const TimePoint latest = std::chrono::steady_clock::now() + limits_.connect_timeout;
  DialResult result;
  for (size_t i = 0; i < backend->endpoints.size(); ++i) {
    DialTarget target = DialTargetOf(*backend, (first_endpoint + i) % backend->endpoints.size());
    if (sealed) target.tls = false;
    result = co_await dialer_.Dial(std::move(target), latest);
    if (result.error == DialError::kNone || result.error == DialError::kTimeout) break;
  }
  co_return result;
}

void ConnectionPool::Release(Lease& lease) {
  if (!lease.reserved) return;
  lease.reserved = false;
  BackendPool& pool = *lease.pool;
  --pool.active;
  --pool.endpoints[lease.endpoint].active;
  if (lease.counted) pool.shared->Leave();
  lease.counted = false;
  lease.stream.reset();
  if (lease.connection == nullptr) return;
  auto& idle = pool.endpoints[lease.endpoint].idle;
  if (lease.connection->Reusable() && idle.size() < limits_.idle_max) {
    lease.connection->stream().SetDeadline(std::chrono::steady_clock::now() + limits_.idle_timeout);
    idle.push_back(std::move(lease.connection));
  }
  lease.connection.reset();
}

std::vector<EndpointFigures> ConnectionPool::Figures(const Backend& backend) const {
  std::vector<EndpointFigures> figures(backend.endpoints.size());
  const auto found = pools_.find(backend.connection_key);
  if (found == pools_.end()) return figures;
  const BackendPool& pool = *found->second;
  const TimePoint now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < figures.size(); ++i) {
    const EndpointPool& endpoint = pool.endpoints[i];
    const uint64_t in_use = backend.http2 ? 0 : endpoint.active - endpoint.pending;
    figures[i] = {.open = in_use + endpoint.idle.size() + endpoint.shared.size(),
                  .idle = endpoint.idle.size(),
                  .pending = endpoint.pending,
                  .exchanges = endpoint.active,
                  .ejected = endpoint.ejection.count() > 0 && endpoint.ejected_until > now};
  }
  return figures;
}

void ConnectionPool::CloseExpired() {
  for (auto it = pools_.begin(); it != pools_.end();) {
    BackendPool& pool = *it->second;
    bool empty = pool.active == 0;
    for (EndpointPool& endpoint : pool.endpoints) {
      std::erase_if(endpoint.idle,
                    [](const auto& connection) { return connection->stream().timed_out(); });
      std::erase_if(endpoint.shared, [](const auto& connection) { return connection->closed(); });
      empty = empty && endpoint.idle.empty() && endpoint.shared.empty();
    }
    if (empty) {
      pools_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace apk

// LIFO, so that what is not needed grows old and goes.
#include "data-plane/upstream/connection_pool.h"

namespace apk {

bool ConnectionPool::Acquire(const Backend& backend, Lease& lease) {
  std::unique_ptr<BackendPool>& slot = pools_[backend.connection_key];
  if (slot == nullptr) {
    slot = std::make_unique<BackendPool>();
    slot->endpoints.resize(backend.endpoints.size());
  }
  BackendPool& pool = *slot;
  const uint32_t connections_max =
      backend.max_connections > 0 ? backend.max_connections : limits_.connections_max;
  if (pool.active >= connections_max) return false;
  ++pool.active;
  lease.key = backend.connection_key;
  lease.reserved = true;
  lease.endpoint = pool.next_endpoint;
  pool.next_endpoint = pool.next_endpoint + 1 == pool.endpoints.size() ? 0 : pool.next_endpoint + 1;
  auto& idle = pool.endpoints[lease.endpoint].idle;
  while (!idle.empty()) {
    std::unique_ptr<H1ClientConnection> connection = std::move(idle.back());
    idle.pop_back();
    if (!connection->StillQuiet(false)) continue;
    lease.connection = std::move(connection);
    break;
  }
  return true;
}

Task<DialError> ConnectionPool::Open(const Backend* backend, Lease* lease) {
  const Endpoint& endpoint = backend->endpoints[lease->endpoint];
  DialTarget target;
  target.host = endpoint.host;
  target.port = endpoint.port;
  target.tls = backend->tls.has_value();
  if (target.tls) {
    target.ca_pem = backend->tls->ca_pem;
    target.server_name = backend->tls->server_name;
    target.allowed_names = backend->tls->allowed_sans;
  }
  const TimePoint latest = std::chrono::steady_clock::now() + limits_.connect_timeout;
  DialResult result = co_await dialer_.Dial(std::move(target), latest);
  if (result.error == DialError::kNone) {
    lease->connection = std::make_unique<H1ClientConnection>(std::move(result.stream));
  }
  co_return result.error;
}

void ConnectionPool::Release(Lease& lease) {
  if (!lease.reserved) return;
  lease.reserved = false;
  BackendPool& pool = *pools_[lease.key];
  --pool.active;
  if (lease.connection == nullptr) return;
  auto& idle = pool.endpoints[lease.endpoint].idle;
  if (lease.connection->Reusable() && idle.size() < limits_.idle_max) {
    lease.connection->stream().SetDeadline(std::chrono::steady_clock::now() + limits_.idle_timeout);
    idle.push_back(std::move(lease.connection));
  }
  lease.connection.reset();
}

void ConnectionPool::CloseExpired() {
  for (auto it = pools_.begin(); it != pools_.end();) {
    BackendPool& pool = *it->second;
    bool empty = pool.active == 0;
    for (EndpointPool& endpoint : pool.endpoints) {
      std::erase_if(endpoint.idle,
                    [](const auto& connection) { return connection->stream().timed_out(); });
      empty = empty && endpoint.idle.empty();
    }
    if (empty) {
      pools_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace apk

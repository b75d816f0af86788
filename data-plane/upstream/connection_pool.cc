// LIFO, so that what is not needed grows old and goes.
#include "data-plane/upstream/connection_pool.h"

#include <algorithm>

#include "common/log.h"
#include "data-plane/upstream/connection_waits.h"

namespace apk {

ConnectionPool::ConnectionPool(Executor executor, DeadlineList& deadlines, const PoolLimits& limits,
                               SharedBackends& shared)
    : limits_(limits),
      shared_(shared),
      executor_(executor),
      deadlines_(deadlines),
      dialer_(executor, deadlines, limits.dns_servers) {}

ConnectionPool::~ConnectionPool() = default;

ConnectionPool::BackendPool& ConnectionPool::PoolOf(const Backend& backend) {
  std::unique_ptr<BackendPool>& slot = pools_[backend.connection_key];
  if (slot == nullptr) {
    slot = std::make_unique<BackendPool>();
    slot->endpoints.resize(backend.endpoints.size());
  }
  BackendPool& pool = *slot;
  const bool limited = backend.circuit_breaker.has_value();
  const bool several = backend.endpoints.size() > 1;
  if (pool.shared == nullptr && (several || limited || backend.health_check.has_value())) {
    pool.shared = shared_.Find(backend.connection_key, backend.endpoints.size());
  }
  if (limited) {
    pool.shared->places()->SetMax(backend.circuit_breaker->connections_max);
    if (pool.holder == nullptr) {
      pool.holder =
          std::make_unique<IdleHolder>(*this, backend.connection_key, pool.shared->places());
    }
  }
  return pool;
}

bool ConnectionPool::Acquire(const Backend& backend, Lease& lease, std::optional<size_t> endpoint) {
  BackendPool& pool = PoolOf(backend);
  if (backend.circuit_breaker.has_value()) {
    lease.counted = pool.shared->requests.Enter(backend.circuit_breaker->requests_max);
    if (!lease.counted) return false;
  } else if (pool.active >= limits_.requests_max) {
    return false;
  }
  ++pool.active;
  size_t chosen = endpoint.has_value() ? *endpoint : ChooseEndpoint(pool);
  const bool again = lease.pool == &pool && lease.endpoint == chosen;
  if (again && !endpoint.has_value()) {
    chosen = FirstInUse(pool, (chosen + 1) % pool.endpoints.size());
  }
  lease.pool = &pool;
  lease.reserved = true;
  lease.endpoints_tried = 0;
  Settle(backend, pool, lease, chosen);
  return true;
}

bool ConnectionPool::EnterRetry(const Backend& backend, Lease& lease) const {
  BackendPool& pool = *lease.pool;
  if (backend.circuit_breaker.has_value()) {
    lease.retry_counted = pool.shared->retries.Enter(backend.circuit_breaker->retries_max);
    if (!lease.retry_counted) return false;
  } else if (pool.retries >=
             std::max(limits_.retries_min, pool.active * limits_.retries_percent / 100)) {
    return false;
  }
  ++pool.retries;
  return true;
}

void ConnectionPool::LeaveRetry(Lease& lease) const {
  --lease.pool->retries;
  if (lease.retry_counted) lease.pool->shared->retries.Leave();
  lease.retry_counted = false;
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
  for (size_t i = 0; i < count; ++i) {
    const size_t candidate = (first + i) % count;
    const bool down = pool.shared != nullptr && !pool.shared->health.IsUp(candidate);
    if (!down && !IsEjected(pool, candidate) && !BacksOff(pool.endpoints[candidate])) {
      return candidate;
    }
  }
  return first;
}

size_t ConnectionPool::ChooseEndpoint(BackendPool& pool) {
  const size_t count = pool.endpoints.size();
  if (count == 1) return 0;
  const size_t turn = pool.next_endpoint;
  pool.next_endpoint = turn + 1 == count ? 0 : turn + 1;
  const size_t other = (turn + 1 + NextRandom() % (count - 1)) % count;  // Any will do.
  const size_t first = FirstInUse(pool, turn);
  const size_t second = FirstInUse(pool, other);
  const bool prefer_second = pool.endpoints[second].active < pool.endpoints[first].active;
  const size_t better = prefer_second ? second : first;
  if (TakesItsShare(pool, better)) return better;
  return prefer_second ? first : second;
}

bool ConnectionPool::TakesItsShare(const BackendPool& pool, size_t endpoint) {
  if (pool.shared == nullptr || !pool.shared->health.IsUnsettled(endpoint)) return true;
  return NextRandom() % 100 < pool.shared->health.Share(endpoint, Now(), limits_.slow_start);
}

void ConnectionPool::Settle(const Backend& backend, BackendPool& pool, Lease& lease,
                            size_t endpoint) {
  lease.endpoint = endpoint;
  ++lease.endpoints_tried;
  ++pool.endpoints[endpoint].active;
  if (backend.http2 && TakeStream(pool.endpoints[endpoint], lease)) return;
  auto& idle = pool.endpoints[endpoint].idle;
  while (!idle.empty()) {
    IdleConnection last = std::move(idle.back());
    idle.pop_back();
    if (!last.connection->StillQuiet(false)) continue;
    lease.connection = std::move(last.connection);
    lease.place = std::move(last.place);
    break;
  }
  CountIdle(pool);
}

bool ConnectionPool::TakeStream(EndpointPool& endpoint, Lease& lease) {
  for (const SharedConnection& shared : endpoint.shared) {
    if (!shared.connection->HasRoom()) continue;
    lease.stream = shared.connection->Open();
    return true;
  }
  return false;
}

bool ConnectionPool::ReportFailure(const Backend& backend, const Lease& lease) {
  if (lease.pool->shared == nullptr) return false;
  const std::optional<std::chrono::milliseconds> time =
      lease.pool->shared->health.OnFailure(lease.endpoint, limits_.ejection, Now(), NextRandom());
  if (!time.has_value()) return false;
  LogInfo("endpoint is ejected", {{"backend", backend.name},
                                  {"endpoint", backend.endpoints[lease.endpoint].authority},
                                  {"milliseconds", std::to_string(time->count())}});
  return true;
}

void ConnectionPool::Release(Lease& lease) {
  if (!lease.reserved) return;
  lease.reserved = false;
  BackendPool& pool = *lease.pool;
  --pool.active;
  --pool.endpoints[lease.endpoint].active;
  if (lease.counted) pool.shared->requests.Leave();
  lease.counted = false;
  if (lease.stream != nullptr) {
    lease.stream.reset();
    for (Wait* const wait : pool.endpoints[lease.endpoint].room_waits) wait->End();
  }
  if (lease.connection != nullptr && lease.connection->Reusable()) KeepOrPassOn(pool, lease);
  lease.connection.reset();
  lease.place.Leave();
}

void ConnectionPool::KeepOrPassOn(BackendPool& pool, Lease& lease) {
  EndpointPool& endpoint = pool.endpoints[lease.endpoint];
  if (lease.place.taken()) {
    const ConnectionPlaces::Passed passed = pool.shared->places()->PassOn(&endpoint);
    if (passed.next == ConnectionPlaces::Next::kOwn) {
      IdleConnection connection{std::move(lease.place), std::move(lease.connection)};
      static_cast<PlaceWait&>(*passed.waiter).Give(std::move(connection));
    } else if (passed.next == ConnectionPlaces::Next::kOther) {
      lease.place.Forget();
      lease.connection.reset();  // Before the next one is opened.
      passed.waiter->Wake();
    }
    if (passed.next != ConnectionPlaces::Next::kNobody) return;
  }
  if (endpoint.idle.size() >= limits_.idle_max) return;
  lease.connection->stream().SetDeadline(Now() + limits_.idle_timeout);
  endpoint.idle.push_back({std::move(lease.place), std::move(lease.connection)});
  CountIdle(pool);
}

void ConnectionPool::GiveOneUp(uint64_t key) {
  const auto found = pools_.find(key);
  if (found == pools_.end()) return;
  BackendPool& pool = *found->second;
  if (pool.holder == nullptr || !pool.shared->places()->wanted()) return;
  for (EndpointPool& endpoint : pool.endpoints) {
    if (endpoint.idle.empty()) continue;
    const IdleConnection oldest = std::move(endpoint.idle.front());
    endpoint.idle.erase(endpoint.idle.begin());
    break;
  }
  CountIdle(pool);
}

void ConnectionPool::CountIdle(BackendPool& pool) {
  if (pool.holder == nullptr) return;
  size_t idle = 0;
  for (const EndpointPool& endpoint : pool.endpoints) idle += endpoint.idle.size();
  pool.holder->SetIdle(idle);
}

std::vector<EndpointFigures> ConnectionPool::Figures(const Backend& backend) const {
  std::vector<EndpointFigures> figures(backend.endpoints.size());
  const auto found = pools_.find(backend.connection_key);
  if (found == pools_.end()) return figures;
  const BackendPool& pool = *found->second;
  for (size_t i = 0; i < figures.size(); ++i) {
    const EndpointPool& endpoint = pool.endpoints[i];
    const uint64_t in_use = backend.http2 ? 0 : endpoint.active - endpoint.pending;
    figures[i] = {.open = in_use + endpoint.idle.size() + endpoint.shared.size(),
                  .idle = endpoint.idle.size(),
                  .pending = endpoint.pending,
                  .exchanges = endpoint.active,
                  .ejected = IsEjected(pool, i),
                  .backs_off = BacksOff(endpoint)};
  }
  return figures;
}

void ConnectionPool::CloseExpired() {
  for (auto it = pools_.begin(); it != pools_.end();) {
    BackendPool& pool = *it->second;
    bool empty = pool.active == 0 && pool.retries == 0;
    for (EndpointPool& endpoint : pool.endpoints) {
      std::erase_if(endpoint.idle,
                    [](const auto& idle) { return idle.connection->stream().timed_out(); });
      std::erase_if(endpoint.shared,
                    [](const auto& shared) { return shared.connection->closed(); });
      empty = empty && endpoint.idle.empty() && endpoint.shared.empty();
    }
    CountIdle(pool);
    if (empty) {
      pools_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace apk

// LIFO, so that what is not needed grows old and goes.
#include "data-plane/upstream/connection_pool.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "data-plane/upstream/dial_target.h"

namespace apk {

namespace {

OpenError ErrorOf(DialError error) {
  switch (error) {
    case DialError::kNone:
      return OpenError::kNone;
    case DialError::kDns:
      return OpenError::kDns;
    case DialError::kTimeout:
      return OpenError::kTimeout;
    case DialError::kTls:
      return OpenError::kTls;
    case DialError::kConnect:
      break;
  }
  return OpenError::kConnect;
}

}  // namespace

// Of one coroutine, until somebody ends it or its time is up.
class ConnectionPool::Wait final : public Deadline {
 public:
  Wait(DeadlineList& list, const Executor& executor, TimePoint latest)
      : Deadline(list), timer_(executor, TimePoint::max()) {
    SetDeadline(latest);
  }
  auto Ended() { return timer_.async_wait(kTuple); }
  void End() { timer_.cancel(); }
  bool late() const { return late_; }

 private:
  void OnDeadline() override {
    late_ = true;
    End();
  }

  Timer timer_;
  bool late_ = false;
};

// Outlives its wait: another thread may just be granting it a place.
class ConnectionPool::PlaceWait final : public ConnectionPlaces::Waiter,
                                        public std::enable_shared_from_this<PlaceWait> {
 public:
  PlaceWait(const EndpointPool& owner, Executor executor, Lease& lease, Wait& wait)
      : Waiter(&owner), executor_(std::move(executor)), lease_(lease), wait_(&wait) {}

  void Wake() override {
    asio::post(executor_, [self = shared_from_this()] {
      if (self->wait_ != nullptr) self->wait_->End();
    });
  }
  // The worker's thread only, from here on.
  void Give(IdleConnection connection) {
    lease_.connection = std::move(connection.connection);
    lease_.place = std::move(connection.place);
    wait_->End();
  }
  void Forget() { wait_ = nullptr; }

 private:
  Executor executor_;
  Lease& lease_;
  Wait* wait_;
};

class ConnectionPool::IdleHolder final : public ConnectionPlaces::Holder {
 public:
  IdleHolder(ConnectionPool& pool, uint64_t key, std::shared_ptr<ConnectionPlaces> places)
      : pool_(pool), key_(key), places_(std::move(places)) {
    places_->Join(*this);
  }
  ~IdleHolder() override { places_->Part(*this); }

  void AskForOne() override {
    asio::post(pool_.executor_, [&pool = pool_, key = key_] { pool.GiveOneUp(key); });
  }

 private:
  ConnectionPool& pool_;
  const uint64_t key_;
  const std::shared_ptr<ConnectionPlaces> places_;
};

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
  if (pool.shared == nullptr && (limited || backend.health_check.has_value())) {
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
  lease.pool = &pool;
  lease.reserved = true;
  lease.endpoints_tried = 0;
  Settle(backend, pool, lease, endpoint.has_value() ? *endpoint : ChooseEndpoint(pool));
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
  const TimePoint now = Now();
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

Task<bool> ConnectionPool::WaitForRoom(EndpointPool* endpoint, TimePoint latest) {
  Wait wait(deadlines_, executor_, latest);
  endpoint->room_waits.push_back(&wait);
  co_await wait.Ended();
  std::erase(endpoint->room_waits, &wait);
  co_return !wait.late();
}

// One connection is opened at a time; who comes meanwhile waits for it. Each worker may have one:
// no exchange of another worker ever leaves it a stream.
Task<OpenError> ConnectionPool::OpenStream(const Backend* backend, Lease* lease, TimePoint deadline,
                                           TimePoint latest_place) {
  EndpointPool& endpoint = lease->pool->endpoints[lease->endpoint];
  ConnectionPlace place;
  for (;;) {
    if (TakeStream(endpoint, *lease)) co_return OpenError::kNone;
    if (endpoint.dialling != nullptr) {
      const std::shared_ptr<Dialling> dialling = endpoint.dialling;
      Timer over(executor_, std::min(deadline, Now() + limits_.connect_timeout));
      dialling->waiting.push_back(&over);
      const auto [cancelled] = co_await over.async_wait(kTuple);
      std::erase(dialling->waiting, &over);
      if (!cancelled) co_return OpenError::kTimeout;
      // Who opened it may have had less time than this one has.
      const bool in_vain =
          dialling->error != DialError::kNone && dialling->error != DialError::kTimeout;
      if (in_vain) co_return ErrorOf(dialling->error);
      continue;
    }
    if (!backend->circuit_breaker.has_value()) break;
    const std::shared_ptr<ConnectionPlaces>& places = lease->pool->shared->places();
    std::erase_if(endpoint.shared, [](const auto& other) { return other.connection->closed(); });
    const bool entered = places->TryEnter();
    if (!entered && endpoint.shared.empty()) places->Enter();
    if (entered || endpoint.shared.empty()) {
      place = ConnectionPlace(places);
      break;
    }
    lease->short_of_place = true;
    const bool changed = co_await WaitForRoom(&endpoint, latest_place);
    if (!changed) co_return OpenError::kNoPlace;
  }
  const auto dialling = std::make_shared<Dialling>();
  endpoint.dialling = dialling;
  DialResult result = co_await Dial(backend, lease, deadline);
  endpoint.dialling = nullptr;
  dialling->error = result.error;
  for (Timer* const over : dialling->waiting) over->cancel();
  if (result.error != DialError::kNone) co_return ErrorOf(result.error);
  lease->opened = true;
  const bool secure = backend->tls.has_value();
  if (secure && !result.http2) {
    lease->connection = std::make_unique<H1ClientConnection>(std::move(result.stream));
    lease->place = std::move(place);
    co_return OpenError::kNone;
  }
  auto connection = std::make_shared<H2ClientConnection>(executor_, std::move(result.stream),
                                                         deadlines_, limits_.h2, secure);
  std::erase_if(endpoint.shared, [](const auto& other) { return other.connection->closed(); });
  endpoint.shared.push_back({std::move(place), connection});
  lease->stream = connection->Open();
  asio::co_spawn(executor_, connection->Run(std::string()), Detached());
  co_return OpenError::kNone;
}

Task<OpenError> ConnectionPool::Open(const Backend* backend, Lease* lease, TimePoint deadline,
                                     TimePoint latest_place) {
  lease->opened = lease->short_of_place = false;
  BackendPool& pool = *lease->pool;
  const bool limited = backend->circuit_breaker.has_value();
  if (limited && !pool.shared->pending.Enter(backend->circuit_breaker->pending_max)) {
    co_return OpenError::kPendingLimit;
  }
  const size_t endpoint = lease->endpoint;
  ++pool.endpoints[endpoint].pending;
  const OpenError error = co_await OpenFresh(backend, lease, deadline, latest_place);
  --pool.endpoints[endpoint].pending;
  if (limited) pool.shared->pending.Leave();
  co_return error;
}

Task<OpenError> ConnectionPool::OpenFresh(const Backend* backend, Lease* lease, TimePoint deadline,
                                          TimePoint latest_place) {
  if (backend->http2) co_return co_await OpenStream(backend, lease, deadline, latest_place);
  if (backend->circuit_breaker.has_value() && !lease->place.taken()) {
    const bool placed = co_await TakePlace(lease, latest_place);
    if (!placed) co_return OpenError::kNoPlace;
    if (lease->connection != nullptr) co_return OpenError::kNone;
  }
  DialResult result = co_await Dial(backend, lease, deadline);
  if (result.error == DialError::kNone) {
    lease->opened = true;
    lease->connection = std::make_unique<H1ClientConnection>(std::move(result.stream));
  } else {
    lease->place.Leave();
  }
  co_return ErrorOf(result.error);
}

Task<bool> ConnectionPool::TakePlace(Lease* lease, TimePoint latest) {
  const std::shared_ptr<ConnectionPlaces>& places = lease->pool->shared->places();
  bool taken = places->TryEnter();
  if (!taken) {
    lease->short_of_place = true;
    Wait wait(deadlines_, executor_, latest);
    const auto waiter = std::make_shared<PlaceWait>(lease->pool->endpoints[lease->endpoint],
                                                    executor_, *lease, wait);
    places->Wait(waiter);
    co_await wait.Ended();
    waiter->Forget();
    taken = places->Withdraw(waiter);
    if (lease->connection != nullptr) co_return true;  // Somebody's who needed it no more.
  }
  if (taken) lease->place = ConnectionPlace(places);
  co_return taken;
}

Task<DialResult> ConnectionPool::Dial(const Backend* backend, const Lease* lease,
                                      TimePoint deadline) {
  const TimePoint latest = std::min(deadline, Now() + limits_.connect_timeout);
  DialTarget target = DialTargetOf(*backend, lease->endpoint);
  DialResult result = co_await dialer_.Dial(std::move(target), latest);
  EndpointPool& dialled = lease->pool->endpoints[lease->endpoint];
  if (result.error != DialError::kNone) {
    dialled.ejection = dialled.ejection.count() == 0
                           ? limits_.first_ejection
                           : std::min(dialled.ejection * 2, limits_.longest_ejection);
    dialled.ejected_until = Now() + dialled.ejection;
  } else {
    dialled.ejection = std::chrono::milliseconds(0);
    dialled.ejected_until = TimePoint();
  }
  co_return result;
}

Task<DialResult> ConnectionPool::OpenTunnel(const Backend* backend, size_t first_endpoint,
                                            bool sealed) {
  const TimePoint latest = Now() + limits_.connect_timeout;
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
  const TimePoint now = Now();
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

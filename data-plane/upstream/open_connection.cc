// How an exchange comes to a connection where no idle one is there.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <functional>

#include "data-plane/upstream/connection_pool.h"
#include "data-plane/upstream/connection_waits.h"
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

Task<bool> ConnectionPool::WaitForRoom(EndpointPool* endpoint, TimePoint latest) {
  Wait wait(deadlines_, executor_, latest);
  endpoint->room_waits.push_back(&wait);
  const auto [ended] = co_await wait.Ended();
  std::erase(endpoint->room_waits, &wait);
  co_return ended && !wait.late();
}

void ConnectionPool::WakeRoomWaits(uint64_t key, size_t endpoint) {
  const auto found = pools_.find(key);
  if (found == pools_.end()) return;
  for (Wait* const wait : found->second->endpoints[endpoint].room_waits) wait->End();
}

Task<> ConnectionPool::RunShared(std::shared_ptr<H2ClientConnection> connection, uint64_t key,
                                 size_t endpoint) {
  co_await connection->Run(std::string());
  WakeRoomWaits(key, endpoint);  // There may be another one now.
}

Task<> ConnectionPool::Pause(TimePoint until) {
  Wait wait(deadlines_, executor_, until);
  co_await wait.Ended();
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
  std::function<void()> told = [this, key = backend->connection_key, number = lease->endpoint] {
    WakeRoomWaits(key, number);
  };
  auto connection = std::make_shared<H2ClientConnection>(
      executor_, std::move(result.stream), deadlines_, limits_.h2, secure, std::move(told));
  std::erase_if(endpoint.shared, [](const auto& other) { return other.connection->closed(); });
  endpoint.shared.push_back({std::move(place), connection});
  lease->stream = connection->Open();
  asio::co_spawn(executor_, RunShared(connection, backend->connection_key, lease->endpoint),
                 Detached());
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
  SharedBackend* const shared = lease->pool->shared.get();
  if (result.error != DialError::kNone) {
    dialled.backoff = dialled.backoff.count() == 0
                          ? limits_.first_backoff
                          : std::min(dialled.backoff * 2, limits_.longest_backoff);
    dialled.backoff_until = Now() + dialled.backoff;
    if (shared != nullptr) shared->health.OnAbsence(lease->endpoint);
  } else {
    dialled.backoff = std::chrono::milliseconds(0);
    if (shared != nullptr) shared->health.OnPresence(lease->endpoint, Now());
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

}  // namespace apk

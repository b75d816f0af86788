// Who waits for a connection of a pool, and whom others ask for one.
#pragma once

#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

#include "data-plane/net/deadline.h"
#include "data-plane/net/timer.h"
#include "data-plane/upstream/connection_places.h"
#include "data-plane/upstream/connection_pool.h"

namespace apk {

// Of one coroutine, until somebody ends it or its time is up: on the dot, or all of a sudden when
// the worker stops.
class ConnectionPool::Wait final : public Deadline {
 public:
  Wait(DeadlineList& list, const Executor& executor, TimePoint latest)
      : Deadline(list), timer_(executor, latest) {
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

}  // namespace apk

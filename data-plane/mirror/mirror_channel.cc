// The queue and the coroutines that empty it. A coroutine carries one copy at a time, or one row;
// those that find nothing to do rest, so that a copy to a healthy mirror starts nothing new.
#include "data-plane/mirror/mirror_channel.h"

#include <boost/asio/co_spawn.hpp>

#include "data-plane/mirror/mirror_body.h"
#include "data-plane/upstream/dial_target.h"

namespace apk {
namespace {

constexpr size_t kRestingMax = 16;
// How long workers refuse copies by themselves: no longer than the queue lasts, and than it may
// take until a mirror that was mended gets copies.
constexpr std::chrono::milliseconds kQueueRefusal{3};
constexpr std::chrono::milliseconds kBreakerRefusal{100};

MirrorResult ResultOf(DialError error) {
  switch (error) {
    case DialError::kDns:
      return MirrorResult::kFailedDns;
    case DialError::kTls:
      return MirrorResult::kFailedTls;
    case DialError::kTimeout:
      return MirrorResult::kTimeout;
    case DialError::kConnect:
    case DialError::kNone:
      break;
  }
  return MirrorResult::kFailedConnect;
}

uint64_t BytesOf(const MirrorCopy& copy) {
  return copy.head.size() + (copy.body == nullptr ? 0 : copy.body->bytes);
}

}  // namespace

void FinishCopy(MirrorCopy& copy, MirrorResult result, MirrorBudget& budget) {
  if (copy.finished) return;
  copy.finished = true;
  copy.stats->Count(result);
  if (copy.trace.span != nullptr) copy.trace.End(result);
  if (copy.exchange != nullptr) copy.exchange->Abort();
  if (copy.body == nullptr) return;
  budget.GiveBack(copy, copy.body->bytes);
  copy.body->chunks.clear();
  copy.body->bytes = 0;
  copy.body->Wake();
}

MirrorChannel::MirrorChannel(const MirrorThread& thread, MirrorGauges& gauges, size_t endpoints)
    : thread_(thread), gauges_(gauges), used_at_(Now()) {
  places_.reserve(endpoints);
  while (places_.size() < endpoints) places_.emplace_back(thread.limits);
}

void MirrorChannel::Finish(MirrorCopy& copy, MirrorResult result) {
  FinishCopy(copy, result, thread_.budget);
}

// Several channels of one mirror overlap while its backend changes: gauges are moved by
// differences.
void MirrorChannel::ShowBreakers() {
  for (Place& place : places_) {
    if (place.shown_open == place.breaker.open()) continue;
    place.shown_open = !place.shown_open;
    place.shown_open ? ++gauges_.breakers_open : --gauges_.breakers_open;
  }
}

bool MirrorChannel::Refuses(const MirrorCopy& copy) {
  if (!places_[copy.endpoint].breaker.open()) return false;
  const TimePoint now = Now();
  if (!places_[copy.endpoint].breaker.Refuses(now)) return false;
  TimePoint until = now + kBreakerRefusal;
  for (const Place& place : places_) {
    if (!place.breaker.Refuses(now)) return true;  // Copies to that one are welcome.
    until = std::min(until, place.breaker.open_until());
  }
  gauges_.refusal.Set(copy.backend->connection_key, MirrorResult::kDroppedBreakerOpen, until);
  return true;
}

bool MirrorChannel::Submit(MirrorCopyPtr copy) {
  used_at_ = Now();
  if (shut_down_) {
    Finish(*copy, MirrorResult::kDroppedShutdown);
    return false;
  }
  const uint64_t bytes = BytesOf(*copy);
  const auto is_full = [&] {
    const bool at_once = waiting_.empty() && in_flight_ < thread_.limits.in_flight_max;
    return !at_once && (waiting_.size() >= thread_.limits.waiting_copies_max ||
                        waiting_bytes_ + bytes > thread_.limits.waiting_bytes_max);
  };
  if (is_full()) {
    SendWaiting();
    if (is_full()) {
      gauges_.refusal.Set(copy->backend->connection_key, MirrorResult::kDroppedQueue,
                          used_at_ + kQueueRefusal);
      Finish(*copy, MirrorResult::kDroppedQueue);
      return false;
    }
  }
  const bool is_first = waiting_.empty();
  const size_t row_max = RowMax(*copy);
  copy->due = used_at_ + thread_.limits.timeout;
  copy->waiting_bytes = bytes;
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(copy));
  gauges_.waiting.fetch_add(1, std::memory_order_relaxed);
  if (waiting_.size() >= row_max) SendWaiting();
  return is_first && !waiting_.empty();
}

void MirrorChannel::SendWaiting() {
  while (!waiting_.empty() && in_flight_ < thread_.limits.in_flight_max) StartRunner();
}

void MirrorChannel::SetInFlight(size_t in_flight) {
  gauges_.in_flight.fetch_add(in_flight - in_flight_, std::memory_order_relaxed);
  in_flight_ = in_flight;
}

void MirrorChannel::StartRunner() {
  SetInFlight(in_flight_ + 1);
  if (!resting_.empty()) {
    Waiter* const rested = resting_.back();
    resting_.pop_back();
    rested->Complete();
    return;
  }
  ++runners_;
  asio::co_spawn(thread_.io, Run(), Detached());
}

MirrorCopyPtr MirrorChannel::TakeWaiting() {
  MirrorCopyPtr copy = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= copy->waiting_bytes;
  gauges_.waiting.fetch_sub(1, std::memory_order_relaxed);
  return copy;
}

Task<> MirrorChannel::Run() {
  ResponseHead answer;  // Of all its copies, so that a copy allocates none.
  Row row;
  for (;;) {
    // Where uploads came back from a pause there are more at work than may be.
    while (!waiting_.empty() && in_flight_ <= thread_.limits.in_flight_max) {
      TakeRow(&row);
      if (row.size() > 1) {
        co_await SendRow(&row, &answer);
      } else if (!row.front()->finished) {
        co_await Send(std::move(row.front()), &answer);
      }
    }
    row.clear();
    SetInFlight(in_flight_ - 1);
    if (retired_ || resting_.size() >= kRestingMax) break;
    Waiter rest;
    resting_.push_back(&rest);
    const auto [error] = co_await WaitFor(&rest);
    if (error || retired_) break;
  }
  --runners_;
}

Task<> MirrorChannel::Send(MirrorCopyPtr copy, ResponseHead* answer) {
  Place& place = places_[copy->endpoint];
  const TimePoint now = Now();
  if (now >= copy->due) {
    Finish(*copy, MirrorResult::kTimeout);
    co_return;
  }
  const CircuitBreaker::Verdict verdict = place.breaker.Decide(now);
  if (verdict == CircuitBreaker::Verdict::kDrop) {
    Finish(*copy, MirrorResult::kDroppedBreakerOpen);
    co_return;
  }
  // A kept connection may die as it is used, which says nothing of the mirror.
  const bool repeatable = copy->idempotent && !copy->has_body;
  Carrier carrier = TakeKept(place, !repeatable);
  MirrorResult result = MirrorResult::kFailedReset;
  bool stale = carrier.exchange() != nullptr;
  bool unanswered = false;
  TimePoint began = now;
  if (stale) result = co_await Exchange(copy.get(), &carrier, answer, &unanswered);
  stale = stale && unanswered && repeatable && !copy->finished;
  if (stale) carrier = Carrier();
  if (carrier.exchange() == nullptr && !copy->finished) {
    DialTarget target = DialTargetOf(*copy->backend, copy->endpoint);
    const TimePoint latest = std::min(Now() + thread_.limits.connect_timeout, copy->due);
    DialResult dialled = co_await thread_.dialer.Dial(std::move(target), latest);
    if (dialled.error != DialError::kNone) {
      place.breaker.OnFailure(verdict, Now());
      ShowBreakers();
      Finish(*copy, shut_down_ ? MirrorResult::kDroppedShutdown : ResultOf(dialled.error));
      co_return;
    }
    copy->stats->connections.fetch_add(1, std::memory_order_relaxed);
    carrier = Start(*copy->backend, place, std::move(dialled));
    began = Now();
    if (!copy->finished) {
      result = co_await Exchange(copy.get(), &carrier, answer, &unanswered);
    }
  }
  if (copy->finished) {
    place.breaker.OnNothing(verdict, Now());
    co_return;
  }
  const TimePoint end = Now();
  if (result == MirrorResult::kTimeout) {
    place.breaker.OnFailure(verdict, end);
    place.pipeline.OnLate();
  } else {
    place.breaker.OnSuccess();
    if (copy->safe) place.pipeline.OnAnswered(1, end - began, end);
  }
  ShowBreakers();
  if (result == MirrorResult::kTimeout && shut_down_) result = MirrorResult::kDroppedShutdown;
  Finish(*copy, result);
  if (result == MirrorResult::kSent) Keep(place, std::move(carrier.connection));
}

MirrorChannel::Carrier MirrorChannel::TakeKept(Place& place, bool certain) {
  Carrier carrier;
  for (const auto& connection : place.shared) {
    if (!connection->HasRoom()) continue;
    carrier.stream = connection->Open();
    return carrier;
  }
  while (!place.kept.empty()) {
    std::unique_ptr<H1ClientConnection> connection = std::move(place.kept.back());
    place.kept.pop_back();
    if (!connection->StillQuiet(certain)) continue;
    carrier.connection = std::move(connection);
    break;
  }
  return carrier;
}

// The first to be carried by a connection that was just opened.
MirrorChannel::Carrier MirrorChannel::Start(const Backend& backend, Place& place,
                                            DialResult dialled) {
  Carrier carrier;
  const bool secure = backend.tls.has_value();
  if (!backend.http2 || (secure && !dialled.http2)) {
    carrier.connection = std::make_unique<H1ClientConnection>(std::move(dialled.stream));
    return carrier;
  }
  const auto connection =
      std::make_shared<H2ClientConnection>(thread_.io.get_executor(), std::move(dialled.stream),
                                           thread_.deadlines, thread_.h2_limits, secure);
  place.shared.push_back(connection);
  carrier.stream = connection->Open();
  asio::co_spawn(thread_.io, connection->Run(std::string()), Detached());
  return carrier;
}

void MirrorChannel::Keep(Place& place, std::unique_ptr<H1ClientConnection> connection) {
  if (connection == nullptr || shut_down_ || retired_ || !connection->Reusable()) return;
  connection->stream().SetDeadline(Now() + thread_.limits.idle_timeout);
  place.kept.push_back(std::move(connection));
}

void MirrorChannel::DropAll() {
  shut_down_ = true;
  while (!waiting_.empty()) Finish(*TakeWaiting(), MirrorResult::kDroppedShutdown);
}

void MirrorChannel::CloseExpired() {
  for (Place& place : places_) {
    std::erase_if(place.kept, [](const auto& connection) {
      return connection->stream().timed_out() || !connection->StillQuiet(false);
    });
    std::erase_if(place.shared, [](const auto& connection) { return connection->closed(); });
  }
}

bool MirrorChannel::Retire() {
  retired_ = true;
  while (!resting_.empty()) {
    Waiter* const rested = resting_.back();
    resting_.pop_back();
    rested->Complete();
  }
  for (Place& place : places_) {
    place.kept.clear();
    for (const auto& connection : place.shared) connection->Close();
    place.shared.clear();
    place.breaker.OnSuccess();  // What is gone is not open.
  }
  ShowBreakers();
  return runners_ == 0;
}

}  // namespace apk

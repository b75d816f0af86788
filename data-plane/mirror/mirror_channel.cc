// A coroutine carries one copy at a time; those that find nothing to do rest, so that a copy to a
// healthy mirror starts nothing new.
#include "data-plane/mirror/mirror_channel.h"

#include <boost/asio/co_spawn.hpp>

#include "data-plane/mirror/mirror_body.h"
#include "data-plane/upstream/dial_target.h"

namespace apk {
namespace {

constexpr int kInterimMax = 8;
constexpr size_t kRestingMax = 16;
// For the rest of a pipeline's answers once the first is there: a server that took the first
// request only would never give the second.
constexpr std::chrono::milliseconds kOtherAnswersMax{250};
// How long workers refuse copies by themselves: no longer than the queue lasts, and than it may take
// until a mirror that was mended gets copies.
constexpr std::chrono::milliseconds kQueueRefusal{3};
constexpr std::chrono::milliseconds kBreakerRefusal{100};

TimePoint Now() { return std::chrono::steady_clock::now(); }

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
  while (places_.size() < endpoints) places_.emplace_back(thread.limits.pipelined_max);
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

void MirrorChannel::Submit(MirrorCopyPtr copy) {
  used_at_ = Now();
  if (shut_down_) return Finish(*copy, MirrorResult::kDroppedShutdown);
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
      return Finish(*copy, MirrorResult::kDroppedQueue);
    }
  }
  const size_t row_max = RowMax(*copy);
  copy->due = used_at_ + thread_.limits.timeout;
  copy->waiting_bytes = bytes;
  waiting_bytes_ += bytes;
  waiting_.push_back(std::move(copy));
  gauges_.waiting.fetch_add(1, std::memory_order_relaxed);
  if (waiting_.size() >= row_max) SendWaiting();
}

void MirrorChannel::SendWaiting() {
  while (!waiting_.empty() && in_flight_ < thread_.limits.in_flight_max &&
         starting_ * RowMax(*waiting_.front()) < waiting_.size()) {
    StartRunner();
  }
}

void MirrorChannel::SetInFlight(size_t in_flight) {
  gauges_.in_flight.fetch_add(in_flight - in_flight_, std::memory_order_relaxed);
  in_flight_ = in_flight;
}

void MirrorChannel::StartRunner() {
  SetInFlight(in_flight_ + 1);
  ++starting_;
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
    --starting_;
    // Where uploads came back from a pause there are more at work than may be.
    while (!waiting_.empty() && in_flight_ <= thread_.limits.in_flight_max) {
      TakeRow(&row);
      if (row.size() > 1) {
        co_await SendRow(&row, &answer);
      } else if (!row.front()->finished) {
        co_await Send(std::move(row.front()), &answer);
      }
    }
    SetInFlight(in_flight_ - 1);
    if (retired_ || resting_.size() >= kRestingMax) break;
    Waiter rest;
    resting_.push_back(&rest);
    const auto [error] = co_await WaitFor(&rest);
    if (error || retired_) break;
  }
  --runners_;
}

size_t MirrorChannel::RowMax(const MirrorCopy& first) const {
  const Place& place = places_[first.endpoint];
  const bool can = !first.has_body && first.idempotent && !first.alone && !place.kept.empty() &&
                   place.shared.empty() && !place.breaker.open();
  return can ? place.pipeline.depth() : 1;
}

void MirrorChannel::TakeRow(Row* row) {
  row->clear();
  row->push_back(TakeWaiting());
  const MirrorCopy& first = *row->front();
  if (first.finished) return;
  const size_t room = thread_.limits.in_flight_max + 1 - in_flight_;
  const size_t row_max = std::min(RowMax(first), room);
  while (row->size() < row_max && !waiting_.empty()) {
    const MirrorCopy& next = *waiting_.front();
    if (next.endpoint != first.endpoint || RowMax(next) == 1 || next.finished) return;
    row->push_back(TakeWaiting());
  }
}

Task<> MirrorChannel::SendRow(Row* row, ResponseHead* answer) {
  const size_t others = row->size() - 1;
  SetInFlight(in_flight_ + others);
  Place& place = places_[row->front()->endpoint];
  Carrier carrier = TakeKept(place, false);
  size_t answered = 0;
  if (carrier.connection != nullptr) {
    answered = co_await ExchangeRow(row, carrier.connection.get(), answer);
  }
  SetInFlight(in_flight_ - others);
  if (answered > 0) place.breaker.OnSuccess();
  ShowBreakers();
  WaitAgain(*row, answered);
  Keep(place, std::move(carrier.connection));
}

Task<size_t> MirrorChannel::ExchangeRow(Row* row, H1ClientConnection* connection,
                                        ResponseHead* answer) {
  Place& place = places_[row->front()->endpoint];
  const TimePoint began = Now();
  connection->WriteRawHead(row->front()->head, row->front()->is_head_request, false);
  for (size_t i = 1; i < row->size(); ++i) connection->AddRawHead((*row)[i]->head);
  connection->SetDeadline(row->front()->due);
  const WriteStatus status = connection->WriteBody({}, true);
  bool written = status == WriteStatus::kDone;
  if (status == WriteStatus::kAgain) written = co_await connection->Flush();
  if (!written) co_return 0;
  for (size_t i = 0; i < row->size(); ++i) {
    MirrorCopy& copy = *(*row)[i];
    if (i > 0 && !connection->ExpectNextAnswer(copy.is_head_request)) {
      place.pipeline.OnClosed();
      co_return i;
    }
    bool unanswered = false;
    const MirrorResult result = co_await ReadAnswer(&copy, connection, answer, &unanswered);
    if (result != MirrorResult::kSent) {
      const TimePoint now = Now();
      // A kept connection may have died before.
      if (i > 0 || !unanswered) place.pipeline.OnBroken(now);
      for (const MirrorCopyPtr& late : *row) {
        if (now >= late->due) place.breaker.OnFailure(CircuitBreaker::Verdict::kSend, now);
      }
      co_return i;
    }
    Finish(copy, result);
    if (i == 0) connection->SetDeadline(std::min(copy.due, Now() + kOtherAnswersMax));
  }
  const TimePoint now = Now();
  place.pipeline.OnAnswered(row->size(), now - began, now);
  co_return row->size();
}

void MirrorChannel::WaitAgain(Row& row, size_t answered) {
  while (row.size() > answered) {
    MirrorCopyPtr copy = std::move(row.back());
    row.pop_back();
    if (shut_down_) {
      Finish(*copy, MirrorResult::kDroppedShutdown);
      continue;
    }
    copy->alone = true;
    waiting_bytes_ += copy->waiting_bytes;
    waiting_.push_front(std::move(copy));
    gauges_.waiting.fetch_add(1, std::memory_order_relaxed);
  }
  row.clear();
  SendWaiting();
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
  } else {
    place.breaker.OnSuccess();
  }
  if (result == MirrorResult::kSent && repeatable) place.pipeline.OnAnswered(1, end - now, end);
  ShowBreakers();
  if (result == MirrorResult::kTimeout && shut_down_) result = MirrorResult::kDroppedShutdown;
  Finish(*copy, result);
  Keep(place, std::move(carrier.connection));
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

bool MirrorChannel::WriteHead(const MirrorCopy& copy, Carrier& carrier) {
  if (carrier.connection != nullptr) {
    carrier.connection->WriteRawHead(copy.head, copy.is_head_request, copy.chunked);
    return true;
  }
  // It was serialized as HTTP/1.1, for whichever protocol its mirror speaks.
  HeadLimits limits;
  limits.head_bytes_max = limits.fields_max = copy.head.size();
  RequestHead head;
  if (ParseRequestHead(copy.head, limits, head) != HeadError::kNone) return false;
  OutgoingRequest outgoing;
  outgoing.head = &head;
  outgoing.host = head.authority;
  carrier.stream->WriteHead(outgoing);
  return true;
}

void MirrorChannel::Keep(Place& place, std::unique_ptr<H1ClientConnection> connection) {
  if (connection == nullptr || shut_down_ || retired_ || !connection->Reusable()) return;
  connection->stream().SetDeadline(Now() + thread_.limits.idle_timeout);
  place.kept.push_back(std::move(connection));
}

Task<MirrorResult> MirrorChannel::Exchange(MirrorCopy* copy, Carrier* carrier, ResponseHead* answer,
                                           bool* unanswered) {
  *unanswered = false;
  if (!WriteHead(*copy, *carrier)) co_return MirrorResult::kFailedProtocol;
  ClientExchange* const exchange = carrier->exchange();
  copy->exchange = exchange;
  exchange->SetDeadline(copy->due);
  bool written = false;
  if (copy->has_body) {
    written = co_await WriteBody(copy, exchange);
  } else {
    const WriteStatus status = exchange->WriteBody({}, true);
    written = status == WriteStatus::kDone;
    if (status == WriteStatus::kAgain) written = co_await exchange->Flush();
  }
  MirrorResult result = MirrorResult::kFailedReset;
  if (written) {
    result = co_await ReadAnswer(copy, exchange, answer, unanswered);
  } else if (exchange->timed_out()) {
    result = MirrorResult::kTimeout;
  } else {
    *unanswered = true;
  }
  copy->exchange = nullptr;
  co_return result;
}

Task<bool> MirrorChannel::WriteBody(MirrorCopy* copy, ClientExchange* exchange) {
  MirrorBody& body = *copy->body;
  for (;;) {
    if (body.chunks.empty() && !body.complete) {
      const bool arrived = co_await WaitForBody(copy, exchange);
      if (!arrived) co_return false;
    }
    BodyChunk chunk;
    if (!body.chunks.empty()) chunk = body.Take();
    const bool last = body.complete && body.chunks.empty();
    const std::string_view data = chunk == nullptr ? std::string_view() : std::string_view(*chunk);
    if (last && copy->trailers != nullptr) exchange->WriteTrailers(*copy->trailers);
    WriteStatus status = exchange->WriteBody(data, last);
    if (status == WriteStatus::kAgain) {
      const bool flushed = co_await exchange->Flush();
      status = flushed ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    thread_.budget.GiveBack(*copy, data.size());
    if (status == WriteStatus::kFailed || copy->finished) co_return false;
    copy->due = Now() + thread_.limits.timeout;  // It does read.
    exchange->SetDeadline(copy->due);
    if (last) co_return true;
  }
}

Task<bool> MirrorChannel::WaitForBody(MirrorCopy* copy, ClientExchange* exchange) {
  if (paused_ >= thread_.limits.waiting_copies_max) {
    Finish(*copy, MirrorResult::kDroppedQueue);
    co_return false;
  }
  exchange->SetDeadline(kNoDeadline);
  ++paused_;
  SetInFlight(in_flight_ - 1);
  if (!waiting_.empty()) StartRunner();
  const auto [error] = co_await WaitFor(&copy->body->arrival);
  --paused_;
  SetInFlight(in_flight_ + 1);
  if (error || copy->finished) co_return false;
  copy->due = Now() + thread_.limits.timeout;
  exchange->SetDeadline(copy->due);
  co_return true;
}

Task<MirrorResult> MirrorChannel::ReadAnswer(MirrorCopy* copy, ClientExchange* exchange,
                                             ResponseHead* answer, bool* unanswered) {
  for (int interim = 0;; ++interim) {
    const ClientExchange::HeadResult result = co_await exchange->ReadHead(*answer);
    if (result == ClientExchange::HeadResult::kTimeout) co_return MirrorResult::kTimeout;
    if (result == ClientExchange::HeadResult::kMalformed || interim > kInterimMax) {
      co_return MirrorResult::kFailedProtocol;
    }
    *unanswered = result == ClientExchange::HeadResult::kClosed;
    if (result != ClientExchange::HeadResult::kOk) co_return MirrorResult::kFailedReset;
    // Nobody asked to change protocols: what follows would be no HTTP.
    if (answer->status == 101) co_return MirrorResult::kFailedProtocol;
    if (answer->status >= 200) break;
  }
  uint64_t discarded = 0;
  for (;;) {
    const BodySlice slice = exchange->NextBody();
    discarded += slice.data.size();
    if (slice.done) break;
    if (slice.failed) co_return MirrorResult::kSent;  // Answered; the connection is not reused.
    if (discarded > thread_.limits.response_bytes_max) {
      copy->stats->responses_truncated.fetch_add(1, std::memory_order_relaxed);
      exchange->Abort();
      co_return MirrorResult::kSent;
    }
    if (slice.wait) {
      const bool filled = co_await exchange->FillBody();
      if (!filled) co_return MirrorResult::kSent;
    }
  }
  exchange->NextBody();  // Gives the last slice back.
  co_return MirrorResult::kSent;
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

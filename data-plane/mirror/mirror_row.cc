// Copies in a row on one kept connection, whose answers are read in turn.
#include "data-plane/mirror/mirror_channel.h"

namespace apk {
namespace {

// From the row's sending to its last answer. A server that takes only the first request of a row
// never gives the second answer, and one that has grown slow should not hold the others up: what is
// not answered by then has its own exchange, with most of its time left.
constexpr std::chrono::milliseconds kRowTime{250};
// A server may write answers before it reads on, and nothing is read here before all is written.
constexpr size_t kRowBytesMax = 16 * 1024;

}  // namespace

// Only what asks for nothing to be changed: a row may have to be sent again.
size_t MirrorChannel::RowMax(const MirrorCopy& first) const {
  const Place& place = places_[first.endpoint];
  const bool can = first.safe && !first.has_body && !first.alone && !place.kept.empty() &&
                   place.shared.empty() && !place.breaker.open();
  return can ? place.pipeline.depth() : 1;
}

void MirrorChannel::TakeRow(Row* row) {
  row->clear();
  row->push_back(TakeWaiting());
  const MirrorCopy& first = *row->front();
  const size_t room = thread_.limits.in_flight_max + 1 - in_flight_;
  const size_t row_max = std::min(RowMax(first), room);
  if (row_max == 1 || Now() >= first.due) return;
  size_t bytes = first.head.size();
  while (row->size() < row_max && !waiting_.empty()) {
    const MirrorCopy& next = *waiting_.front();
    bytes += next.head.size();
    if (next.endpoint != first.endpoint || RowMax(next) == 1 || bytes > kRowBytesMax) return;
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
  if (answered == row->size()) Keep(place, std::move(carrier.connection));
  WaitAgain(*row, answered);
}

Task<size_t> MirrorChannel::ExchangeRow(Row* row, H1ClientConnection* connection,
                                        ResponseHead* answer) {
  PipelineDepth& pipeline = places_[row->front()->endpoint].pipeline;
  const TimePoint began = Now();
  connection->WriteRawHead(row->front()->head, row->front()->is_head_request, false);
  for (size_t i = 1; i < row->size(); ++i) connection->AddRawHead((*row)[i]->head);
  connection->SetDeadline(std::min(row->front()->due, began + kRowTime));
  const WriteStatus status = connection->WriteBody({}, true);
  bool written = status == WriteStatus::kDone;
  if (status == WriteStatus::kAgain) written = co_await connection->Flush();
  bool unanswered = !written;
  for (size_t i = 0; i < row->size() && !unanswered; ++i) {
    MirrorCopy& copy = *(*row)[i];
    if (i > 0 && !connection->ExpectNextAnswer(copy.is_head_request)) {
      pipeline.OnClosed();
      co_return i;
    }
    const MirrorResult result = co_await ReadAnswer(&copy, connection, answer, &unanswered);
    if (result != MirrorResult::kSent && (i > 0 || !unanswered)) {
      pipeline.OnBroken(Now());
      co_return i;
    }
    if (result == MirrorResult::kSent) Finish(copy, result);
  }
  const TimePoint now = Now();
  if (unanswered) {
    pipeline.OnUnanswered(now);
    co_return 0;
  }
  pipeline.OnAnswered(row->size(), now - began, now);
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

}  // namespace apk

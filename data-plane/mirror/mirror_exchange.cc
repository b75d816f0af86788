// One copy on what carries it: its head and body out, its answer in and away.
#include "data-plane/mirror/mirror_body.h"
#include "data-plane/mirror/mirror_channel.h"

namespace apk {
namespace {

constexpr int kInterimMax = 8;

}  // namespace

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
    copy->trace.status = answer->status;
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

}  // namespace apk

// Back-pressure is the order of things: the next slice is read when the last one was taken.
#include "data-plane/forward/copy_body.h"

#include <boost/asio/co_spawn.hpp>

namespace apk {
namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr size_t kDiscardBytesMax = 256 * 1024;
constexpr std::chrono::milliseconds kDiscardTime{1000};

}  // namespace

RequestBody::RequestBody(asio::io_context& io, ServerExchange& exchange, MirrorTee& mirrors)
    : io_(io), exchange_(exchange), mirrors_(mirrors) {}

bool RequestBody::empty() const {
  return exchange_.request().framing.kind == BodyFraming::Kind::kNone;
}

WriteStatus RequestBody::Begin(ClientExchange& upstream) {
  slice_ = exchange_.NextBody();
  if (slice_.failed) return WriteStatus::kFailed;
  return upstream.WriteBody(slice_.data, slice_.done);
}

void RequestBody::Tee() {
  mirrors_.Append(slice_.data);
  if (slice_.done) mirrors_.End();
}

void RequestBody::Continue(H1ClientConnection& upstream, WriteStatus begun,
                           const ExchangeDeadlines& deadlines) {
  Tee();
  if (slice_.done && begun == WriteStatus::kDone) {
    finished_ = true;
    return;
  }
  running_ = true;
  asio::co_spawn(io_, Upload(&upstream, begun, &deadlines), Detached());
}

Task<> RequestBody::Upload(H1ClientConnection* upstream, WriteStatus status,
                           const ExchangeDeadlines* deadlines) {
  while (!stopping_) {
    if (status == WriteStatus::kAgain) {
      const bool flushed = co_await upstream->Flush();
      status = flushed ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    if (status == WriteStatus::kFailed) break;  // The reader of the response sees it, too.
    upstream->stream().SetDeadline(deadlines->ForHead());
    if (slice_.done) {
      finished_ = true;
      break;
    }
    slice_ = exchange_.NextBody();
    if (slice_.wait) {
      upstream->stream().SetDeadline(deadlines->exchange);  // It is the client who is slow.
      const bool filled = co_await exchange_.FillBody();
      slice_ = BodySlice();
      failed_ = !filled;
    }
    failed_ = failed_ || slice_.failed;
    if (failed_) {
      upstream->stream().Close();  // Never completed with a short body.
      break;
    }
    Tee();
    if (!slice_.data.empty() || slice_.done) status = upstream->WriteBody(slice_.data, slice_.done);
  }
  if (!finished_ && !failed_) co_await Discard();
  running_ = false;
  if (waiter_ != nullptr) waiter_->cancel();
}

// The backend wants no more, but the mirrors do.
Task<> RequestBody::Discard() {
  size_t discarded = 0;
  while (discarded < kDiscardBytesMax) {
    slice_ = exchange_.NextBody();
    if (slice_.failed) co_return;
    discarded += slice_.data.size();
    Tee();
    if (slice_.done) co_return;
    if (slice_.wait) {
      const bool filled = co_await exchange_.FillBody();
      if (!filled) co_return;
    }
  }
}

Task<> RequestBody::FeedMirrorsOnly() {
  mirrors_.Start();
  if (!mirrors_.wants_body()) co_return;
  if (exchange_.WriteContinue() == WriteStatus::kAgain) {
    const bool flushed = co_await exchange_.Flush();
    if (!flushed) co_return;
  }
  do {
    slice_ = exchange_.NextBody();
    if (slice_.failed) co_return;
    if (slice_.wait) {
      const bool filled = co_await exchange_.FillBody();
      if (!filled) co_return;
      continue;
    }
    Tee();
  } while (!slice_.done && mirrors_.wants_body());
}

Task<> RequestBody::Stop() {
  stopping_ = true;
  if (!running_) co_return;
  exchange_.LimitBody(kDiscardTime);
  Timer waiter(io_.get_executor(), TimePoint::max());
  waiter_ = &waiter;
  while (running_) {
    co_await waiter.async_wait(kTuple);
  }
  waiter_ = nullptr;
}

Task<bool> CopyResponseBody(H1ClientConnection* upstream, ServerExchange* exchange,
                            const ExchangeDeadlines* deadlines) {
  bool head_flushed = false;
  for (;;) {
    const BodySlice slice = upstream->NextBody();
    if (slice.failed) co_return false;
    if (slice.wait) {
      if (!head_flushed) {
        const bool flushed = co_await exchange->Flush();
        if (!flushed) co_return false;
      }
      head_flushed = true;
      upstream->stream().SetDeadline(deadlines->ForBody());
      const bool filled = co_await upstream->FillBody();
      if (!filled) co_return false;
      continue;
    }
    const WriteStatus status = exchange->WriteBody(slice.data, slice.done);
    head_flushed = true;
    if (status == WriteStatus::kFailed) co_return false;
    if (status == WriteStatus::kAgain) {
      // The client reads slowly; the backend is not to blame.
      upstream->stream().SetDeadline(kNoDeadline);
      const bool flushed = co_await exchange->Flush();
      if (!flushed) co_return false;
    }
    if (slice.done) break;
  }
  upstream->NextBody();  // Gives the last slice back.
  co_return true;
}

}  // namespace apk

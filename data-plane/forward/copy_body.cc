// Back-pressure is the order of things: the next slice is read when the last one was taken.
#include "data-plane/forward/copy_body.h"

#include <boost/asio/co_spawn.hpp>

namespace apk {
namespace {

constexpr size_t kDiscardBytesMax = 256 * 1024;
constexpr std::chrono::milliseconds kDiscardTime{1000};

}  // namespace

RequestBody::RequestBody(asio::io_context& io, ServerExchange& exchange, MirrorTee& mirrors,
                         uint64_t bytes_max)
    : io_(io), exchange_(exchange), mirrors_(mirrors), bytes_max_(bytes_max) {}

bool RequestBody::empty() const {
  return exchange_.request().framing.kind == BodyFraming::Kind::kNone;
}

bool RequestBody::too_large() const {
  const BodyFraming& framing = exchange_.request().framing;
  return bytes_max_ > 0 && framing.kind == BodyFraming::Kind::kLength &&
         framing.length > bytes_max_;
}

bool RequestBody::TakeSlice() {
  slice_ = exchange_.NextBody();
  bytes_ += slice_.data.size();
  if (slice_.failed) fault_ = ClientFault::kMalformed;
  if (bytes_max_ > 0 && bytes_ > bytes_max_) fault_ = ClientFault::kTooLarge;
  return fault_ == ClientFault::kNone;
}

WriteStatus RequestBody::Begin(ClientExchange& upstream) {
  finished_ = false;
  replaying_ = whole_;
  if (replaying_) {
    slice_ = BodySlice();
    slice_.data = kept_;
    slice_.done = true;
    return upstream.WriteBody(slice_.data, slice_.done);
  }
  begun_ = true;
  if (!TakeSlice()) return WriteStatus::kFailed;
  Keep();
  if (slice_.trailers != nullptr) upstream.WriteTrailers(*slice_.trailers);
  return upstream.WriteBody(slice_.data, slice_.done);
}

void RequestBody::Keep() {
  if (keep_bytes_max_ == 0) return;
  const bool too_large = slice_.data.size() > keep_bytes_max_ - kept_.size();
  if (too_large || slice_.trailers != nullptr) {
    keep_bytes_max_ = 0;
    kept_ = std::string();
    return;
  }
  kept_.append(slice_.data);
  whole_ = slice_.done;
}

void RequestBody::Tee() {
  if (replaying_ && teed_) return;
  teed_ = true;
  mirrors_.Append(slice_.data);
  if (slice_.done) mirrors_.End(slice_.trailers);
}

void RequestBody::Continue(ClientExchange& upstream, WriteStatus begun, UpstreamGuard& guard) {
  Tee();
  if (slice_.done && begun == WriteStatus::kDone) {
    finished_ = true;
    guard.UploadEnded();
    return;
  }
  running_ = true;
  asio::co_spawn(io_, Upload(&upstream, begun, &guard), Detached());
}

Task<bool> RequestBody::NextSlice() {
  for (;;) {
    if (!TakeSlice()) co_return false;
    if (!slice_.wait) co_return true;
    const bool filled = co_await exchange_.FillBody();
    if (filled) continue;
    slice_ = BodySlice();
    fault_ = exchange_.body_timed_out() ? ClientFault::kTooSlow : ClientFault::kGone;
    co_return false;
  }
}

Task<> RequestBody::Upload(ClientExchange* upstream, WriteStatus status, UpstreamGuard* guard) {
  while (!stopping_) {
    if (status == WriteStatus::kAgain) {
      guard->UploadWaitsForBackend();
      const bool flushed = co_await upstream->Flush();
      status = flushed ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    if (status == WriteStatus::kFailed) break;  // The reader of the response sees it, too.
    if (slice_.done) {
      finished_ = true;
      guard->UploadEnded();
      break;
    }
    guard->UploadWaitsForClient();
    const bool more = co_await NextSlice();
    if (!more) {
      upstream->Abort();  // Never completed with a short body.
      break;
    }
    Tee();
    Keep();
    if (slice_.trailers != nullptr) upstream->WriteTrailers(*slice_.trailers);
    status = upstream->WriteBody(slice_.data, slice_.done);
  }
  if (!finished_ && fault_ == ClientFault::kNone) {
    co_await Discard();
    fault_ = ClientFault::kNone;  // Nobody asked for what it discarded.
  }
  running_ = false;
  if (waiter_ != nullptr) waiter_->cancel();
}

// The backend wants no more, but the mirrors do.
Task<> RequestBody::Discard() {
  size_t discarded = 0;
  while (discarded < kDiscardBytesMax && !slice_.done) {
    const bool more = co_await NextSlice();
    if (!more) co_return;
    discarded += slice_.data.size();
    Tee();
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
    const bool more = co_await NextSlice();
    if (!more) co_return;
    Tee();
  } while (!slice_.done && mirrors_.wants_body());
}

Task<> RequestBody::Stop() {
  stopping_ = true;
  if (running_) exchange_.LimitBody(kDiscardTime);
  co_await Settle();
}

Task<> RequestBody::Settle() {
  if (!running_) co_return;
  Timer waiter(io_.get_executor(), TimePoint::max());
  waiter_ = &waiter;
  while (running_) {
    co_await waiter.async_wait(kTuple);
  }
  waiter_ = nullptr;
}

bool ResponseBody::Begin() {
  slice_ = upstream_.NextBody();
  looked_ = true;
  backend_failed_ = slice_.failed;
  return !slice_.failed;
}

ResponseBody::Step ResponseBody::Advance() {
  for (;;) {
    if (last_) {
      upstream_.NextBody();  // Gives the last slice back.
      return Step::kDone;
    }
    if (!looked_) slice_ = upstream_.NextBody();
    looked_ = false;
    backend_failed_ = slice_.failed;
    if (slice_.failed) return Step::kFailed;
    if (slice_.wait) return Step::kBackend;
    if (slice_.trailers != nullptr) exchange_.WriteTrailers(*slice_.trailers);
    const WriteStatus status = exchange_.WriteBody(slice_.data, slice_.done);
    head_flushed_ = true;
    last_ = slice_.done;
    bytes_ += slice_.data.size();
    if (status == WriteStatus::kFailed) return Step::kFailed;
    if (status == WriteStatus::kAgain) return Step::kClient;
  }
}

Task<bool> ResponseBody::Copy(Step step) {
  while (step != Step::kDone) {
    if (step == Step::kFailed) co_return false;
    if (step == Step::kClient || !head_flushed_) {
      guard_.AnswerWaitsForClient();  // The backend is not to blame.
      const bool flushed = co_await exchange_.Flush();
      if (!flushed) co_return false;
    }
    head_flushed_ = true;
    if (step == Step::kBackend) {
      guard_.AnswerWaitsForBackend();
      const bool filled = co_await upstream_.FillBody();
      backend_failed_ = !filled;
      if (!filled) co_return false;
    }
    step = Advance();
  }
  co_return true;
}

}  // namespace apk

// Requests in, responses out, in order.
#include "data-plane/session/h1_server.h"

#include <algorithm>

#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

// As far as it looks like a head; six bytes follow.
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\n";

TimePoint In(std::chrono::milliseconds duration) {
  return std::chrono::steady_clock::now() + duration;
}

uint16_t StatusFor(HeadError error) {
  switch (error) {
    case HeadError::kTargetTooLong:
      return 414;
    case HeadError::kHeadTooLarge:
      return 431;
    case HeadError::kVersion:
      return 505;
    case HeadError::kMalformed:
    case HeadError::kNone:
      break;
  }
  return 400;
}

// A response that never has a body says so by its status (RFC 9110 6.4.1).
bool NeverHasBody(uint16_t status) { return status < 200 || status == 204 || status == 304; }

void AppendFields(std::string& out, const HeaderMap& headers, bool keep_length) {
  headers.AppendLines(out, [keep_length](HeaderId id) {
    return id != HeaderId::kTransferEncoding && (id != HeaderId::kContentLength || keep_length);
  });
}

}  // namespace

H1ServerConnection::H1ServerConnection(std::unique_ptr<ByteStream> stream,
                                       std::string client_address, bool secure,
                                       const SessionLimits& limits, const bool& ending,
                                       uint64_t requests, TimePoint idle_until)
    : stream_(std::move(stream)),
      client_address_(std::move(client_address)),
      secure_(secure),
      limits_(limits),
      ending_(ending),
      body_(*stream_, buffer_),
      writer_(*stream_),
      idle_until_(idle_until),
      requests_(requests) {}

void H1ServerConnection::GuardRead(TimePoint at) {
  read_deadline_ = at;
  Guard();
}

void H1ServerConnection::GuardWrite(TimePoint at) {
  write_deadline_ = at;
  Guard();
}

void H1ServerConnection::Guard() {
  stream_->SetDeadline(std::min(read_deadline_, write_deadline_));
  stream_->SpareAtDeadline(read_deadline_ <= write_deadline_);
}

std::chrono::milliseconds H1ServerConnection::IdleTime() const {
  if (ending_) return limits_.last_idle_timeout;
  return requests_ == 0 ? limits_.head_timeout : limits_.idle_timeout;
}

// A client may send a request while it is told that the connection ends, and then would have to guess whether it
// may send it again. So a connection that is to end waits a little for one, which is answered, and looks once
// more before it closes.
Task<H1ServerConnection::ReadOutcome> H1ServerConnection::ReadRequest() {
  scanner_.Reset();
  GuardRead(std::min(In(IdleTime()), std::exchange(idle_until_, kNoDeadline)));
  bool in_head = requests_ == 0;
  for (;;) {
    if (!buffer_.empty()) {
      const HeadScanner::State state = scanner_.Scan(buffer_.data(), limits_.head);
      if (state == HeadScanner::State::kError) co_return Refuse(StatusFor(scanner_.error()));
      if (state == HeadScanner::State::kComplete) break;
      if (!in_head) GuardRead(In(limits_.head_timeout));
      in_head = true;
    }
    const size_t bytes_max = limits_.head.head_bytes_max + 64;
    ReadBuffer::Space space = buffer_.Prepare(bytes_max);
    if (space.size == 0) co_return Refuse(StatusFor(HeadError::kHeadTooLarge));
    ReadResult result = stream_->TryRead(space.data, space.size);
    while (result.wait) {
      waiting_ = true;
      auto [error] = co_await stream_->WaitToRead();
      waiting_ = false;
      const bool yielding = std::exchange(yielding_, false) && !stream_->timed_out();
      if (error && stream_->timed_out() && buffer_.empty()) {
        if (stream_->IsQuiet(true)) {
          co_await CloseGracefully();
          co_return ReadOutcome::kClosed;
        }
        GuardRead(In(limits_.head_timeout));
        error.clear();
      }
      result = error && !yielding ? ReadResult{} : stream_->TryRead(space.data, space.size);
      if (result.wait && yielding && !ending_) co_return ReadOutcome::kIdle;
    }
    if (!result.ok || result.bytes == 0) {
      const bool begun_and_late = stream_->timed_out() && !buffer_.empty();
      co_return begun_and_late ? Refuse(408) : ReadOutcome::kClosed;
    }
    buffer_.Commit(result.bytes);
  }
  const std::string_view head =
      buffer_.data().substr(scanner_.head_begin(), scanner_.head_end() - scanner_.head_begin());
  if (requests_ == 0 && !secure_ && head == kHttp2Preface) {
    GuardRead(kNoDeadline);
    stream_->SpareAtDeadline(false);
    co_return ReadOutcome::kHttp2;
  }
  const HeadError error = ParseRequestHead(head, limits_.head, request_);
  buffer_.Consume(scanner_.head_end());
  if (error != HeadError::kNone) co_return Refuse(StatusFor(error), true);
  GuardRead(kNoDeadline);
  request_.secure = secure_;
  body_.Start(request_.framing);
  body_limit_ = kNoDeadline;
  body_waited_ = body_waited_.zero();
  ++requests_;
  keep_alive_ = request_.keep_alive && requests_ < limits_.requests_max;
  continue_wanted_ = request_.expect_continue && !body_.done();
  head_written_ = response_complete_ = aborted_ = false;
  co_return ReadOutcome::kRequest;
}

H1ServerConnection::Taken H1ServerConnection::TakeStream() {
  Taken taken;
  taken.received = buffer_.data();
  taken.stream = std::move(stream_);
  taken.requests = requests_;
  return taken;
}

H1ServerConnection::ReadOutcome H1ServerConnection::Refuse(uint16_t status, bool parsed) {
  GuardRead(kNoDeadline);
  std::string method = std::move(request_.method);
  std::string target = std::move(request_.target);
  request_.Clear();
  if (parsed) {
    request_.method = std::move(method);
    request_.target = std::move(target);
  }
  body_.Start(BodyFraming());
  keep_alive_ = false;
  head_written_ = response_complete_ = aborted_ = false;
  refusal_ = status;
  return ReadOutcome::kRefused;
}

// Waiting is paid for in bytes, so that a client can't hold a request open by a byte now and then.
Task<bool> H1ServerConnection::FillBody() {
  const TimePoint begun = std::chrono::steady_clock::now();
  const std::chrono::milliseconds earned(body_.received() * 1000 /
                                         limits_.body_bytes_per_second_min);
  const TimePoint too_slow = begun + limits_.body_stall_timeout + earned - body_waited_;
  const TimePoint stalled = begun + limits_.body_stall_timeout;
  GuardRead(tunnel_ ? body_limit_ : std::min({body_limit_, too_slow, stalled}));
  const bool filled = co_await body_.Fill();
  GuardRead(kNoDeadline);
  body_waited_ += std::chrono::steady_clock::now() - begun;
  co_return filled;
}

void H1ServerConnection::LimitBody(std::chrono::milliseconds time) {
  body_limit_ = In(time);
  if (read_deadline_ != kNoDeadline || tunnel_) GuardRead(std::min(body_limit_, read_deadline_));
}

WriteStatus H1ServerConnection::WriteContinue() {
  if (!continue_wanted_) return WriteStatus::kDone;
  continue_wanted_ = false;
  writer_.Start(false).append("HTTP/1.1 100 Continue\r\n\r\n");
  return writer_.Write({}, true);
}

WriteStatus H1ServerConnection::WriteInterim(const ResponseHead& head) {
  if (request_.minor_version == 0) return WriteStatus::kDone;
  std::string& out = writer_.Start(false);
  AppendStatusLine(out, head.status, head.reason);
  AppendFields(out, head.headers, false);
  AppendHeadEnd(out);
  return writer_.Write({}, true);
}

void H1ServerConnection::WriteHead(const ResponseHead& head) {
  head_written_ = true;
  const bool bodiless = NeverHasBody(head.status) || request_.method == "HEAD";
  BodyFraming framing = head.framing;
  if (framing.kind == BodyFraming::Kind::kUntilClose) framing.kind = BodyFraming::Kind::kChunked;
  if (framing.kind == BodyFraming::Kind::kChunked && request_.minor_version == 0) {
    framing.kind = BodyFraming::Kind::kUntilClose;
    if (!bodiless) keep_alive_ = false;
  }
  // A client that still waits for 100 may or may not send its body now: only a close is clear. The
  // same where the answer comes before much of the body, or because the body does not come.
  if (continue_wanted_ || ending_ || stream_->timed_out() ||
      !body_.EndsWithin(limits_.skip_bytes_max)) {
    keep_alive_ = false;
  }

  std::string& out = writer_.Start(framing.kind == BodyFraming::Kind::kChunked && !bodiless);
  AppendStatusLine(out, head.status, head.reason);
  // The length that a body would have may be said to HEAD and in 304, never in 1xx and 204 (RFC
  // 9110 8.6).
  AppendFields(out, head.headers, bodiless && head.status != 204);
  if (!bodiless) {
    AppendFraming(out, framing);
    if (framing.kind == BodyFraming::Kind::kNone) out.append("Content-Length: 0\r\n");
  } else if (!NeverHasBody(head.status) && framing.kind == BodyFraming::Kind::kLength &&
             !head.headers.Has(HeaderId::kContentLength)) {
    AppendFraming(out, framing);
  }
  if (!keep_alive_) {
    out.append("Connection: close\r\n");
  } else if (request_.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  AppendHeadEnd(out);
}

void H1ServerConnection::StartTunnel(const ResponseHead& head) {
  head_written_ = tunnel_ = true;
  keep_alive_ = false;
  std::string& out = writer_.Start(false);
  AppendStatusLine(out, 101, head.reason);
  AppendFields(out, head.headers, false);
  out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  AppendHeadEnd(out);
  BodyFraming endless;
  endless.kind = BodyFraming::Kind::kUntilClose;
  body_.Start(endless);
}

WriteStatus H1ServerConnection::WriteBody(std::string_view data, bool last) {
  if (last) response_complete_ = true;
  return writer_.Write(data, last);
}

Task<bool> H1ServerConnection::Flush() {
  GuardWrite(In(limits_.write_stall_timeout));
  const bool written = co_await writer_.Flush();
  GuardWrite(kNoDeadline);
  co_return written;
}

void H1ServerConnection::OnEnding() {
  if (!waiting_ || !buffer_.empty()) return;
  const std::chrono::milliseconds planned =
      requests_ == 0 ? limits_.head_timeout : limits_.idle_timeout;
  GuardRead(std::min(read_deadline_, read_deadline_ - planned + limits_.last_idle_timeout));
}

bool H1ServerConnection::YieldIfIdle() {
  const bool begun = requests_ != std::exchange(requests_seen_idle_, requests_);
  if (begun || !waiting_ || !buffer_.empty()) return false;
  yielding_ = true;
  stream_->CancelRead();
  return true;
}

void H1ServerConnection::Abort() {
  aborted_ = true;
  stream_->Close();
}

bool H1ServerConnection::FinishedAtOnce() {
  if (aborted_ || !response_complete_ || !keep_alive_ || !body_.done()) return false;
  body_.Next();  // Gives the last slice back.
  return true;
}

Task<bool> H1ServerConnection::FinishExchange() {
  if (aborted_ || !response_complete_) {
    stream_->Close();
    co_return false;
  }
  if (FinishedAtOnce()) co_return true;
  if (WillSendNoMore()) {
    co_await stream_->ShutdownWrite();
    stream_->Close();
    co_return false;
  }
  const bool kept = keep_alive_ && co_await SkipBody();
  if (kept) co_return true;
  co_await CloseGracefully();
  co_return false;
}

// RFC 9112 9.6: a client that asked for the close has sent its last request.
bool H1ServerConnection::WillSendNoMore() {
  if (request_.keep_alive || refusal_ != 0 || !body_.done()) return false;
  body_.Next();  // Gives the last slice back.
  return buffer_.empty() && !stream_->socket().readable;
}

Task<bool> H1ServerConnection::SkipBody() {
  LimitBody(limits_.drain_timeout);
  size_t skipped = 0;
  for (;;) {
    const BodySlice slice = body_.Next();
    skipped += slice.data.size();
    if (slice.failed || skipped > limits_.skip_bytes_max) co_return false;
    if (slice.done && slice.data.empty()) co_return true;
    if (!slice.wait) continue;
    const bool filled = co_await FillBody();
    if (!filled) co_return false;
  }
}

// RFC 9112 9.6: half-close, read what still comes for a while, then close, lest a reset destroys
// the response before the client has read it.
Task<> H1ServerConnection::CloseGracefully() {
  GuardRead(In(limits_.drain_timeout));
  co_await stream_->ShutdownWrite();
  char scratch[4096];
  size_t drained = 0;
  while (drained < limits_.drain_bytes_max) {
    const ReadResult result = co_await stream_->Read(scratch, sizeof scratch);
    if (!result.ok || result.bytes == 0) break;
    drained += result.bytes;
  }
  stream_->Close();
}

}  // namespace apk

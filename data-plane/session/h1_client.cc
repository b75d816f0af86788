// Heads out, heads in; bodies are h1_body's.
#include "data-plane/session/h1_client.h"

#include "data-plane/http/head_writer.h"

namespace apk {

std::string& H1ClientConnection::StartHead(bool is_head_request, bool chunked) {
  ++exchanges_;
  request_was_head_ = is_head_request;
  request_complete_ = false;
  keep_alive_ = false;
  scanner_.Reset();
  return writer_.Start(chunked);
}

void H1ClientConnection::WriteHead(const OutgoingRequest& request) {
  const RequestHead& head = *request.head;
  std::string& out =
      StartHead(head.method == "HEAD", head.framing.kind == BodyFraming::Kind::kChunked);
  AppendRequestHead(out, request);
}

void H1ClientConnection::WriteRawHead(std::string_view bytes, bool is_head_request, bool chunked) {
  StartHead(is_head_request, chunked).append(bytes);
}

bool H1ClientConnection::ExpectNextAnswer(bool is_head_request) {
  if (!keep_alive_ || !body_.done()) return false;
  ++exchanges_;
  request_was_head_ = is_head_request;
  keep_alive_ = false;
  return true;
}

WriteStatus H1ClientConnection::WriteBody(std::string_view data, bool last) {
  const WriteStatus status = writer_.Write(data, last);
  // What is queued is sent or the exchange fails; either way no other request may follow half of
  // one.
  request_complete_ = last && status != WriteStatus::kFailed;
  return status;
}

void H1ClientConnection::StartTunnel() {
  BodyFraming endless;
  endless.kind = BodyFraming::Kind::kUntilClose;
  body_.Start(endless);
  writer_.Start(false);
  keep_alive_ = false;
}

Task<ClientExchange::HeadResult> H1ClientConnection::ReadHead(ResponseHead& head) {
  const HeadLimits limits;
  for (;;) {
    const HeadScanner::State state =
        buffer_.empty() ? HeadScanner::State::kIncomplete : scanner_.Scan(buffer_.data(), limits);
    if (state == HeadScanner::State::kError || scanner_.head_begin() > 0) {
      co_return HeadResult::kMalformed;
    }
    if (state == HeadScanner::State::kComplete) break;
    const ReadBuffer::Space space = buffer_.Prepare(limits.head_bytes_max + 1);
    if (space.size == 0) co_return HeadResult::kMalformed;
    ReadResult result = stream_->TryRead(space.data, space.size);
    while (result.wait) {
      const auto [error] = co_await stream_->WaitToRead();
      result = error ? ReadResult{} : stream_->TryRead(space.data, space.size);
    }
    if (!result.ok || result.bytes == 0) {
      if (stream_->timed_out()) co_return HeadResult::kTimeout;
      co_return buffer_.empty() ? HeadResult::kClosed : HeadResult::kReset;
    }
    buffer_.Commit(result.bytes);
  }
  const std::string_view bytes = buffer_.data().substr(0, scanner_.head_end());
  if (ParseResponseHead(bytes, limits, request_was_head_, head) != HeadError::kNone) {
    co_return HeadResult::kMalformed;
  }
  buffer_.Consume(bytes.size());
  scanner_.Reset();
  keep_alive_ = head.keep_alive;
  body_.Start(head.framing);
  co_return HeadResult::kOk;
}

}  // namespace apk

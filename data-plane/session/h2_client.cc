// Heads out, heads in; bodies and windows are h2_connection's.
#include "data-plane/session/h2_client.h"

#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

constexpr size_t kUnreadHeadsMax = 16;  // Interim ones that came faster than they were read.

}  // namespace

H2ClientExchange::H2ClientExchange(std::shared_ptr<H2ClientConnection> connection)
    : H2Stream(connection, connection->deadlines()), reused_(connection->used_) {
  connection->used_ = true;
}

void H2ClientExchange::WriteHead(const OutgoingRequest& request) {
  const RequestHead& head = *request.head;
  request_was_head_ = head.method == "HEAD";
  std::string target;
  if (head.path != "*") target = request.base_path;
  target += head.path;
  if (head.has_query) {
    target += '?';
    target += head.query;
  }
  head_out_.Clear();
  head_out_.Add(":method", head.method);
  const bool secure = static_cast<const H2ClientConnection&>(connection()).secure_;
  head_out_.Add(":scheme", secure ? "https" : "http");
  head_out_.Add(":authority", request.host);
  head_out_.Add(":path", target);
  const bool traced = !request.trace_parent.empty();
  head_out_.AddAll(head.headers, head.framing.kind == BodyFraming::Kind::kNone, !traced);
  if (traced) head_out_.Add("traceparent", request.trace_parent);
  if (head.framing.kind == BodyFraming::Kind::kLength) {
    std::string length;
    AppendNumber(length, head.framing.length);
    head_out_.Add("content-length", length);
  }
  head_out_.Add("te", "trailers");  // They are passed on.
}

bool H2ClientExchange::Submit(const nghttp2_data_provider* body) {
  const std::vector<nghttp2_nv>& fields = head_out_.Get();
  id_ = nghttp2_submit_request(session(), nullptr, fields.data(), fields.size(), body,
                               static_cast<H2Stream*>(this));
  return id_ > 0;
}

void H2ClientExchange::BeginHead() {
  if (!final_head_) builder_.emplace(limits_, head_in_);
}

void H2ClientExchange::FinishHead(bool ends_stream) {
  if (!builder_.has_value()) return;  // Trailers.
  malformed_ =
      !builder_->Finish(ends_stream, request_was_head_) || heads_.size() == kUnreadHeadsMax;
  builder_.reset();
  if (malformed_) {
    Reset(NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  final_head_ = head_in_.status >= 200;
  heads_.push_back(std::move(head_in_));
  Notify();
}

Task<ClientExchange::HeadResult> H2ClientExchange::ReadHead(ResponseHead& head) {
  while (heads_.empty()) {
    if (timed_out()) co_return HeadResult::kTimeout;
    if (refused()) co_return HeadResult::kRefused;
    if (malformed_ || peer_at_fault()) co_return HeadResult::kMalformed;
    if (broken() || read_broken()) {
      co_return connection().closed() ? HeadResult::kClosed : HeadResult::kReset;
    }
    co_await WaitForRead();
  }
  head = std::move(heads_.front());
  heads_.pop_front();
  co_return HeadResult::kOk;
}

H2ClientConnection::H2ClientConnection(Executor executor, std::unique_ptr<ByteStream> stream,
                                       DeadlineList& deadlines, const H2Limits& limits, bool secure,
                                       std::function<void()> told)
    : H2Connection(Side::kClient, std::move(executor), std::move(stream), deadlines, limits),
      secure_(secure),
      told_(std::move(told)) {}

bool H2ClientConnection::HasRoom() const {
  if (closing() || going_away_) return false;
  const uint32_t allowed =
      nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return streams() < allowed && streams() < limits().streams_max &&
         nghttp2_session_check_request_allowed(session()) != 0;
}

std::unique_ptr<H2ClientExchange> H2ClientConnection::Open() {
  auto self = std::static_pointer_cast<H2ClientConnection>(shared_from_this());
  return std::make_unique<H2ClientExchange>(std::move(self));
}

void H2ClientConnection::OnStreamFault() {
  if (going_away_) return;
  going_away_ = true;
  Retire();
}

int H2ClientConnection::OnBeginHeaders(const nghttp2_frame& frame) {
  auto* const exchange = static_cast<H2ClientExchange*>(StreamOf(frame.hd.stream_id));
  if (exchange != nullptr) exchange->BeginHead();
  return 0;
}

int H2ClientConnection::OnHeader(const nghttp2_frame& frame, std::string_view name,
                                 std::string_view value) {
  auto* const exchange = static_cast<H2ClientExchange*>(StreamOf(frame.hd.stream_id));
  if (exchange == nullptr) return 0;
  if (exchange->builder_.has_value()) {
    exchange->builder_->Add(name, value);
    return 0;
  }
  const bool added = AddTrailer(name, value, exchange->trailers_in_);
  return added ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void H2ClientConnection::OnHeaders(const nghttp2_frame& frame) {
  auto* const exchange = static_cast<H2ClientExchange*>(StreamOf(frame.hd.stream_id));
  if (exchange == nullptr) return;
  exchange->FinishHead((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
}

}  // namespace apk

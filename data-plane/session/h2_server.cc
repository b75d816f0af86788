// Heads in, heads out; bodies and windows are h2_connection's.
#include "data-plane/session/h2_server.h"

#include <algorithm>

#include "common/strings.h"
#include "data-plane/http/grpc.h"
#include "data-plane/http/head_writer.h"

namespace apk {
namespace {

// A client may have so many more exchanges that it gave up and that are not over yet.
constexpr size_t kUnfinishedFactor = 2;
// Decoded bytes of one head, beyond what is kept of it.
constexpr size_t kHeadDecodedBytesFactor = 4;

TimePoint In(std::chrono::milliseconds duration) {
  return std::chrono::steady_clock::now() + duration;
}

std::string StatusText(uint16_t status) {
  std::string text;
  AppendNumber(text, status);
  return text;
}

}  // namespace

H2ServerExchange::H2ServerExchange(std::shared_ptr<H2ServerConnection> connection, int32_t id)
    : H2Stream(connection, connection->deadlines()) {
  id_ = id;
  builder_.emplace(connection->session_limits_.head, request_);
  SetDeadline(In(connection->session_limits_.head_timeout));
}

const SessionLimits& H2ServerExchange::session_limits() const {
  return static_cast<const H2ServerConnection&>(connection()).session_limits_;
}

const std::string& H2ServerExchange::client_address() const {
  return static_cast<const H2ServerConnection&>(connection()).client_address_;
}

void H2ServerExchange::FinishHead(bool ends_stream) {
  switch (builder_->Finish(ends_stream)) {
    case HeadError::kNone:
      break;
    case HeadError::kTargetTooLong:
      refusal_ = 414;
      break;
    case HeadError::kHeadTooLarge:
      refusal_ = 431;
      break;
    default:
      refusal_ = 400;
  }
  builder_.reset();
  patient_ = request_.websocket || IsGrpc(request_);
  continue_wanted_ = request_.expect_continue && !ends_stream;
  SetDeadline(kNoDeadline);
}

void H2ServerExchange::GuardRead(TimePoint at) {
  read_deadline_ = at;
  SetDeadline(std::min(read_deadline_, write_deadline_));
}

void H2ServerExchange::GuardWrite(TimePoint at) {
  write_deadline_ = at;
  SetDeadline(std::min(read_deadline_, write_deadline_));
}

Task<bool> H2ServerExchange::FillBody() {
  GuardRead(patient_ ? body_limit_
                     : std::min(body_limit_, In(session_limits().body_stall_timeout)));
  const bool filled = co_await Fill();
  GuardRead(kNoDeadline);
  co_return filled;
}

void H2ServerExchange::LimitBody(std::chrono::milliseconds time) {
  body_limit_ = In(time);
  if (read_deadline_ != kNoDeadline || patient_) GuardRead(std::min(body_limit_, read_deadline_));
}

WriteStatus H2ServerExchange::WriteContinue() {
  if (!continue_wanted_) return WriteStatus::kDone;
  continue_wanted_ = false;
  ResponseHead head;
  head.status = 100;
  return WriteInterim(head);
}

WriteStatus H2ServerExchange::WriteInterim(const ResponseHead& head) {
  H2FieldBlock block;
  block.Add(":status", StatusText(head.status));
  block.AddAll(head.headers, false);
  const std::vector<nghttp2_nv>& fields = block.Get();
  return SubmitInterim(fields) ? WriteStatus::kDone : WriteStatus::kFailed;
}

void H2ServerExchange::WriteHead(const ResponseHead& head) {
  head_written_ = true;
  const bool bodiless = head.status == 204 || head.status == 304 || request_.method == "HEAD";
  head_out_.Clear();
  head_out_.Add(":status", StatusText(head.status));
  head_out_.AddAll(head.headers, bodiless);
  if (!bodiless && head.framing.kind == BodyFraming::Kind::kLength) {
    std::string length;
    AppendNumber(length, head.framing.length);
    head_out_.Add("content-length", length);
  }
}

void H2ServerExchange::StartTunnel(const ResponseHead& head) {
  head_written_ = true;
  head_out_.Clear();
  head_out_.Add(":status", "200");  // RFC 8441 5.
  for (size_t i = 0; i < head.headers.size(); ++i) {
    const std::string_view name = head.headers.name(i);
    if (EqualsIgnoreCase(name, "sec-websocket-accept")) continue;
    head_out_.Add(name, head.headers.value(i));
  }
}

Task<> H2ServerExchange::ReadRestAway() {
  if (continue_wanted_ || request_.websocket) co_return;
  LimitBody(session_limits().drain_timeout);
  size_t discarded = 0;
  while (discarded < session_limits().skip_bytes_max) {
    const BodySlice slice = NextBody();
    discarded += slice.data.size();
    if (slice.done || slice.failed) co_return;
    if (!slice.wait) continue;
    const bool filled = co_await FillBody();
    if (!filled) co_return;
  }
}

bool H2ServerExchange::Submit(const nghttp2_data_provider* body) {
  const std::vector<nghttp2_nv>& fields = head_out_.Get();
  return nghttp2_submit_response(session(), id_, fields.data(), fields.size(), body) == 0;
}

Task<bool> H2ServerExchange::Flush() {
  GuardWrite(In(session_limits().write_stall_timeout));
  const bool written = co_await H2Stream::Flush();
  GuardWrite(kNoDeadline);
  co_return written;
}

void H2ServerExchange::AbortWhenCancelled(ClientExchange* upstream) {
  upstream_ = upstream;
  if (upstream != nullptr && broken()) upstream->Abort();
}

// Within a head the client can send nothing else: to reset its stream would not get rid of it.
void H2ServerExchange::OnDeadline() {
  if (builder_.has_value()) nghttp2_session_terminate_session(session(), NGHTTP2_ENHANCE_YOUR_CALM);
  H2Stream::OnDeadline();
}

void H2ServerExchange::OnBroken() {
  if (upstream_ != nullptr) upstream_->Abort();
}

H2ServerConnection::H2ServerConnection(Executor executor, std::unique_ptr<ByteStream> stream,
                                       DeadlineList& deadlines, const H2Limits& limits,
                                       const SessionLimits& session_limits,
                                       std::string client_address, bool secure, Serve serve)
    : H2Connection(Side::kServer, std::move(executor), std::move(stream), deadlines, limits),
      session_limits_(session_limits),
      client_address_(std::move(client_address)),
      secure_(secure),
      serve_(std::move(serve)) {}

int H2ServerConnection::OnBeginHeaders(const nghttp2_frame& frame) {
  if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // Trailers.
  const int32_t id = frame.hd.stream_id;
  assembling_.reset();
  // Exchanges that the client has given up count until they are over.
  if (streams() >= kUnfinishedFactor * limits().streams_max) {
    nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    return 0;
  }
  auto self = std::static_pointer_cast<H2ServerConnection>(shared_from_this());
  assembling_ = std::make_unique<H2ServerExchange>(std::move(self), id);
  nghttp2_session_set_stream_user_data(session(), id, static_cast<H2Stream*>(assembling_.get()));
  return 0;
}

int H2ServerConnection::OnHeader(const nghttp2_frame& frame, std::string_view name,
                                 std::string_view value) {
  if (assembling_ != nullptr && assembling_->id() == frame.hd.stream_id) {
    H2RequestHeadBuilder& builder = *assembling_->builder_;
    builder.Add(name, value);
    const bool endless =
        builder.list_bytes() > kHeadDecodedBytesFactor * session_limits_.head.head_bytes_max;
    return endless ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
  }
  auto* const exchange = static_cast<H2ServerExchange*>(StreamOf(frame.hd.stream_id));
  if (exchange == nullptr) return 0;
  const bool added = AddTrailer(name, value, exchange->trailers_in_);
  return added ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void H2ServerConnection::OnHeaders(const nghttp2_frame& frame) {
  if (assembling_ == nullptr || assembling_->id() != frame.hd.stream_id) return;
  assembling_->FinishHead((frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
  assembling_->request_.secure = secure_;
  ready_.push_back(std::move(assembling_));
}

void H2ServerConnection::OnReceived() {
  std::vector<std::unique_ptr<H2ServerExchange>> ready = std::move(ready_);
  ready_.clear();
  for (auto& exchange : ready) serve_(std::move(exchange));
}

void H2ServerConnection::OnClosed() {
  assembling_.reset();
  ready_.clear();
}

}  // namespace apk

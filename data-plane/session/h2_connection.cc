// The engine room. Order: callbacks, the connection's two loops, streams.
#include "data-plane/session/h2_connection.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace apk {
namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kOutBytesMax = 64 * 1024;  // Frames that wait for the socket.
constexpr size_t kFrameHeadBytes = 9;
constexpr size_t kFrameBytesMax = 16 * 1024;  // SETTINGS_MAX_FRAME_SIZE, which we leave as it is.
constexpr size_t kDrainBytesMax = 256 * 1024;
constexpr std::chrono::milliseconds kGoodbyeTime{1000};
constexpr std::chrono::milliseconds kLastIdleTime{5000};  // Of a peer that does not answer our goodbye.
constexpr int kEmptyFramesMax = 100;
constexpr double kFrameBurst = 10'000;
constexpr double kFramesPerSecond = 330;
constexpr double kResetBurst = 1000;
constexpr double kResetsPerSecond = 33;
constexpr size_t kContinuationsMax = 8;
constexpr size_t kPassedOverMax = 16;

}  // namespace

bool FrameAllowance::Take(TimePoint now) {
  if (filled_ != TimePoint{}) {
    const double seconds = std::chrono::duration<double>(now - filled_).count();
    left_ = std::min(burst_, left_ + seconds * per_second_);
  }
  filled_ = now;
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

void FrameAllowance::Refund(double frames) { left_ = std::min(burst_, left_ + frames); }

struct H2Connection::Callbacks {
  static H2Connection& Of(void* user) { return *static_cast<H2Connection*>(user); }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    return Of(user).OnBeginHeaders(*frame);
  }

  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                    void* user) {
    const std::string_view name_text(reinterpret_cast<const char*>(name), name_size);
    const std::string_view value_text(reinterpret_cast<const char*>(value), value_size);
    return Of(user).OnHeader(*frame, name_text, value_text);
  }

  static int Data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                  void* user) {
    H2Connection& self = Of(user);
    H2Stream* const stream = self.StreamOf(id);
    if (stream == nullptr || stream->read_broken_) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    stream->in_.append(reinterpret_cast<const char*>(data), size);
    self.Wake(*stream);
    return 0;
  }

  static int BeginFrame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    Of(user).CountFrame(*head);
    return 0;
  }

  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Connection& self = Of(user);
    if (frame->hd.type == NGHTTP2_HEADERS) self.OnHeaders(*frame);
    if (frame->hd.type == NGHTTP2_GOAWAY) self.OnGoAway();
    if (frame->hd.type == NGHTTP2_SETTINGS) self.OnSettings();
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        self.draining_ && !self.said_goodbye_) {
      // The peer has seen that we drain: what it had sent before has arrived.
      self.said_goodbye_ = true;
      const int32_t last = nghttp2_session_get_last_proc_stream_id(self.session_);
      nghttp2_submit_goaway(self.session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0);
    }
    const bool carries_body = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (carries_body && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      if (H2Stream* const stream = self.StreamOf(frame->hd.stream_id); stream != nullptr) {
        stream->remote_done_ = true;
        self.Wake(*stream);
      }
    }
    return 0;
  }

  // Frames of unknown types: counted as they begin, and ignored (RFC 9113 5.5).
  static int UnknownFrame(nghttp2_session*, void**, const nghttp2_frame_hd*, void*) {
    return NGHTTP2_ERR_CANCEL;
  }

  static int InvalidFrame(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    H2Connection& self = Of(user);
    if (!self.allowance_.Take(Now())) self.Punish();
    return 0;
  }

  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Connection& self = Of(user);
    // A peer that reads much opens its windows often.
    if (frame->hd.type == NGHTTP2_DATA) self.allowance_.Refund(2);
    // The answer says that the peer has read the notice.
    if (frame->hd.type == NGHTTP2_GOAWAY && self.draining_ && !self.said_goodbye_) {
      nghttp2_submit_ping(self.session_, NGHTTP2_FLAG_NONE, nullptr);
    }
    // Streams that a client makes us reset cost as much as those that it resets.
    const bool made_to_reset =
        frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR;
    if (made_to_reset && self.side_ == Side::kServer && !self.resets_.Take(Now())) self.Punish();
    // nghttp2 resets a stream whose window a setting has made too large: it is an error of the
    // connection (RFC 9113 6.9.2), and may be one where the stream's own increments did it.
    if (made_to_reset && frame->rst_stream.error_code == NGHTTP2_FLOW_CONTROL_ERROR) {
      nghttp2_session_terminate_session(self.session_, NGHTTP2_FLOW_CONTROL_ERROR);
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
      self.peer_at_fault_ = true;
    }
    if (made_to_reset && frame->rst_stream.error_code != NGHTTP2_CANCEL) {
      if (H2Stream* const stream = self.StreamOf(frame->hd.stream_id); stream != nullptr) {
        stream->peer_at_fault_ = true;
      }
      self.OnStreamFault();
    }
    return 0;
  }

  static int FrameNotSent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    H2Connection& self = Of(user);
    if (H2Stream* const stream = self.StreamOf(frame->hd.stream_id); stream != nullptr) {
      stream->refused_ = true;
      stream->Break();
    }
    return 0;
  }

  static int StreamClosed(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    H2Connection& self = Of(user);
    H2Stream* const stream = self.StreamOf(id);
    if (stream == nullptr) return 0;
    stream->closed_ = true;
    stream->refused_ = stream->refused_ || code == NGHTTP2_REFUSED_STREAM;
    // A whole answer stays whole when the rest of the request is waved off (RFC 9113 8.1).
    const bool whole = stream->remote_done_ && code == NGHTTP2_NO_ERROR;
    if (!whole && !(stream->finished() && stream->OutgoingTaken())) {
      stream->Break();
    } else {
      stream->write_broken_ = !stream->end_queued_;
      self.Wake(*stream);
    }
    return 0;
  }

  static ssize_t ReadData(nghttp2_session* session, int32_t id, uint8_t*, size_t size,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    H2Stream* const found = Of(user).StreamOf(id);
    if (found == nullptr || found->write_broken_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    H2Stream& stream = *found;
    const size_t taken = std::min(size, stream.out_.size());
    if (taken == 0 && !stream.out_last_) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream.out_last_ && taken == stream.out_.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      stream.end_queued_ = true;
      if (stream.has_trailers_out_) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv>& fields = stream.trailers_out_.Get();
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      }
    }
    return static_cast<ssize_t>(taken);
  }

  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t size,
                      nghttp2_data_source*, void* user) {
    H2Connection& self = Of(user);
    H2Stream* const found = self.StreamOf(frame->hd.stream_id);
    // What a broken stream still views may be gone.
    if (found == nullptr || found->write_broken_) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    H2Stream& stream = *found;
    if (self.out_.size() >= kOutBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
    self.out_.append(reinterpret_cast<const char*>(head), kFrameHeadBytes);
    if (frame->data.padlen > 0) self.out_ += static_cast<char>(frame->data.padlen - 1);
    self.out_.append(stream.out_.substr(0, size));
    if (frame->data.padlen > 1) self.out_.append(frame->data.padlen - 1, '\0');
    stream.out_.remove_prefix(size);
    self.Wake(stream);
    return 0;
  }

  static nghttp2_session_callbacks* Table() {
    static nghttp2_session_callbacks* const table = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, BeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(made, Header);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Data);
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, BeginFrame);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, FrameReceived);
      nghttp2_session_callbacks_set_unpack_extension_callback(made, UnknownFrame);
      nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, InvalidFrame);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, FrameSent);
      nghttp2_session_callbacks_set_on_frame_not_send_callback(made, FrameNotSent);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, StreamClosed);
      nghttp2_session_callbacks_set_send_data_callback(made, SendData);
      return made;
    }();
    return table;
  }
};

H2Connection::H2Connection(Side side, Executor executor, std::unique_ptr<ByteStream> stream,
                           DeadlineList& deadlines, const H2Limits& limits)
    : executor_(std::move(executor)),
      stream_(std::move(stream)),
      deadlines_(deadlines),
      limits_(limits),
      side_(side),
      allowance_(kFrameBurst, kFramesPerSecond),
      resets_(kResetBurst, kResetsPerSecond) {
  nghttp2_option* options = nullptr;
  nghttp2_option_new(&options);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_max_continuations(options, kContinuationsMax);
  for (int type = NGHTTP2_CONTINUATION + 1; type < 256; ++type) {
    nghttp2_option_set_user_recv_extension_type(options, static_cast<uint8_t>(type));
  }
  if (side == Side::kServer) {
    nghttp2_option_set_stream_reset_rate_limit(options, static_cast<uint64_t>(kResetBurst),
                                               static_cast<uint64_t>(kResetsPerSecond));
    nghttp2_session_server_new2(&session_, Callbacks::Table(), this, options);
  } else {
    nghttp2_session_client_new2(&session_, Callbacks::Table(), this, options);
  }
  nghttp2_option_del(options);

  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.header_list_bytes_max}};
  if (side == Side::kServer) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max});
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits.connection_window));
}

H2Connection::~H2Connection() { nghttp2_session_del(session_); }

H2Stream* H2Connection::StreamOf(int32_t id) const {
  return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

Task<> H2Connection::Run(std::string received) {
  const std::shared_ptr<H2Connection> self = shared_from_this();
  writer_running_ = true;
  asio::co_spawn(executor_, WriteLoop(), Detached());
  GuardStream();
  bool going = Feed(received);
  received = std::string();
  std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  size_t drained = 0;
  while (going && drained < kDrainBytesMax) {
    const ReadResult result = co_await stream_->Read(buffer.get(), kReadBytes);
    if (!result.ok || result.bytes == 0) break;
    if (closing_) {
      drained += result.bytes;  // Both have said goodbye.
    } else {
      going = Feed(std::string_view(buffer.get(), result.bytes));
    }
  }
  closing_ = true;
  OnClosed();
  if (going) Fail();  // Otherwise the writer still has a goodbye to send.
  for (H2Stream* const stream : open_) stream->Break();
  RunWoken();
  ScheduleWriter();
  while (writer_running_ || streams_ > 0) {
    co_await WaitFor(&done_waiter_);
  }
  while (!closed_ && drained < kDrainBytesMax) {
    const ReadResult result = co_await stream_->Read(buffer.get(), kReadBytes);
    if (!result.ok || result.bytes == 0) break;
    drained += result.bytes;
  }
  Fail();
}

bool H2Connection::Over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

bool H2Connection::Feed(std::string_view bytes) {
  if (bytes.empty()) return true;
  inside_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  inside_ = false;
  if (taken < 0) {
    peer_at_fault_ = true;
    const uint32_t code =
        taken == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
    nghttp2_session_terminate_session(session_, code);
  }
  OnReceived();
  RunWoken();
  Send();
  return taken >= 0 && !Over();
}

void H2Connection::CountFrame(const nghttp2_frame_hd& head) {
  bool cheap_for_the_sender = false;
  // RFC 9113 4.2. nghttp2 does not look at CONTINUATION's.
  if (head.length > kFrameBytesMax) {
    nghttp2_session_terminate_session(session_, NGHTTP2_FRAME_SIZE_ERROR);
  }
  // We allow none; nghttp2 waits until that is acknowledged (RFC 9113 6.6).
  if (head.type == NGHTTP2_PUSH_PROMISE) {
    nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR);
  }
  switch (head.type) {
    case NGHTTP2_DATA:
      if (head.length == 0 && (head.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        cheap_for_the_sender = true;
        if (++empty_frames_ > kEmptyFramesMax) Punish();
      } else {
        empty_frames_ = 0;
      }
      break;
    case NGHTTP2_HEADERS:
      empty_frames_ = 0;
      if (side_ == Side::kServer) CheckNewStream(head.stream_id);
      break;
    default:
      cheap_for_the_sender = true;
  }
  if (cheap_for_the_sender && !allowance_.Take(Now())) Punish();
}

// A stream that was passed over is closed, and may not be opened later (RFC 9113 5.1.1). nghttp2
// would ignore it.
void H2Connection::CheckNewStream(int32_t id) {
  if (id <= last_opened_) {
    for (const auto& [first, last] : passed_over_) {
      if (id < first || id > last) continue;
      nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR);
    }
    return;
  }
  if (id > last_opened_ + 2) {
    if (passed_over_.size() == kPassedOverMax) passed_over_.pop_front();
    passed_over_.emplace_back(last_opened_ + 2, id - 2);
  }
  last_opened_ = id;
}

void H2Connection::Punish() {
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void H2Connection::Drain() {
  if (draining_ || closing_) return;
  draining_ = true;
  GuardStream();
  nghttp2_submit_shutdown_notice(session_);
  Send();
}

void H2Connection::Retire() {
  if (!closing_)
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
}

void H2Connection::Send() {
  if (inside_) return;  // Feed sends when nghttp2 is done.
  inside_ = true;
  while (out_.size() < kOutBytesMax) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) break;
    out_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  }
  inside_ = false;
  ScheduleWriter();
}

void H2Connection::ScheduleWriter() {
  if (writer_scheduled_ || !writer_waiter_.armed()) return;
  writer_scheduled_ = true;
  asio::post(executor_, [self = shared_from_this()] {
    self->writer_scheduled_ = false;
    if (self->writer_waiter_.armed()) self->writer_waiter_.Complete();
  });
}

// One deadline for the socket: writing may stall so long, and a connection without streams may idle
// so long. Streams have their own.
void H2Connection::GuardStream() {
  TimePoint at = kNoDeadline;
  if (!writing_.empty()) at = Now() + limits_.write_stall_timeout;
  if (Idle()) at = std::min(at, Now() + (draining_ ? kLastIdleTime : limits_.idle_timeout));
  stream_->SetDeadline(at);
}

Task<> H2Connection::WriteLoop() {
  const std::shared_ptr<H2Connection> self = shared_from_this();
  for (;;) {
    if (out_.empty()) {
      if (closed_ || closing_ || Over()) break;
      co_await WaitFor(&writer_waiter_);
      Send();
      continue;
    }
    std::swap(out_, writing_);
    GuardStream();
    WriteBuffers buffers;
    buffers.Add(writing_);
    WriteStatus status = stream_->TryWrite(buffers);
    if (status == WriteStatus::kAgain) {
      const bool written = co_await stream_->Write(buffers);
      status = written ? WriteStatus::kDone : WriteStatus::kFailed;
    }
    writing_.clear();
    if (status == WriteStatus::kFailed) {
      Fail();
      break;
    }
    GuardStream();
    Send();
  }
  closing_ = true;
  if (!closed_) {
    // Half-closed, so that the peer can read our goodbye before the connection goes.
    stream_->SetDeadline(Now() + kGoodbyeTime);
    co_await stream_->ShutdownWrite();
  }
  writer_running_ = false;
  if (done_waiter_.armed()) done_waiter_.Complete();
}

void H2Connection::Fail() {
  if (closed_) return;
  closing_ = closed_ = true;
  stream_->Close();
  for (H2Stream* const stream : open_) stream->Break();
  ScheduleWriter();
}

void H2Connection::Wake(H2Stream& stream) {
  if (stream.woken_) return;
  stream.woken_ = true;
  woken_.push_back(&stream);
  ScheduleRun();
}

void H2Connection::ScheduleRun() {
  if (run_scheduled_) return;
  run_scheduled_ = true;
  asio::post(executor_, [self = shared_from_this()] {
    self->run_scheduled_ = false;
    self->RunWoken();
  });
}

// What is resumed may end streams, this one included, and wake others.
void H2Connection::RunWoken() {
  for (size_t i = 0; i < woken_.size(); ++i) {
    if (woken_[i] == nullptr) continue;
    woken_[i]->woken_ = false;
    if (woken_[i]->write_broken_) woken_[i]->OnBroken();
    if (woken_[i] != nullptr && woken_[i]->read_waiter_.armed()) woken_[i]->read_waiter_.Complete();
    if (woken_[i] != nullptr && woken_[i]->write_waiter_.armed()) {
      woken_[i]->write_waiter_.Complete();
    }
  }
  woken_.clear();
}

void H2Connection::Forget(H2Stream& stream) {
  std::replace(woken_.begin(), woken_.end(), &stream, static_cast<H2Stream*>(nullptr));
  open_[stream.index_] = open_.back();
  open_[stream.index_]->index_ = stream.index_;
  open_.pop_back();
  --streams_;
  if (streams_ > 0) return;
  if (closing_) {
    if (!writer_running_) done_waiter_.Cancel(executor_);  // Later: Run may end the connection.
  } else {
    GuardStream();
  }
}

H2Stream::H2Stream(std::shared_ptr<H2Connection> connection, DeadlineList& deadlines)
    : Deadline(deadlines), connection_(std::move(connection)), index_(connection_->open_.size()) {
  connection_->open_.push_back(this);
  if (++connection_->streams_ == 1 && !connection_->closing_) connection_->GuardStream();
}

H2Stream::~H2Stream() {
  ReleaseLent();
  if (id_ > 0) {
    if (!in_.empty()) nghttp2_session_consume(connection_->session_, id_, in_.size());
    if (!closed_ && !(finished() && OutgoingTaken())) Reset(CodeOfEnd());
    nghttp2_session_set_stream_user_data(connection_->session_, id_, nullptr);
  }
  connection_->Forget(*this);
  connection_->Send();
}

// A server that has answered only waves the rest of the request off (RFC 9113 8.1).
uint32_t H2Stream::CodeOfEnd() const {
  const bool answered = connection_->side_ == H2Connection::Side::kServer && end_queued_;
  return answered && OutgoingTaken() ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL;
}

void H2Stream::OnDeadline() {
  timed_out_ = true;
  Reset(CodeOfEnd());
}

void H2Stream::Break() {
  read_broken_ = read_broken_ || !remote_done_;
  write_broken_ = true;
  connection_->Wake(*this);
}

void H2Stream::Reset(uint32_t code) {
  if (id_ > 0 && !closed_) {
    nghttp2_submit_rst_stream(connection_->session_, NGHTTP2_FLAG_NONE, id_, code);
    connection_->Send();
  }
  read_broken_ = write_broken_ = true;
  connection_->Wake(*this);
}

void H2Stream::ReleaseLent() {
  if (lent_.empty()) return;
  nghttp2_session_consume(connection_->session_, id_, lent_.size());
  lent_.clear();
  if (nghttp2_session_want_write(connection_->session_) != 0) connection_->Send();
}

BodySlice H2Stream::Next() {
  ReleaseLent();
  BodySlice slice;
  if (read_broken_) {
    slice.failed = true;
    return slice;
  }
  std::swap(in_, lent_);
  slice.data = lent_;
  slice.done = remote_done_;
  slice.wait = lent_.empty() && !remote_done_;
  if (slice.done && trailers_in_.size() > 0) slice.trailers = &trailers_in_;
  return slice;
}

Task<> H2Stream::WaitForRead() { co_await WaitFor(&read_waiter_); }

Task<bool> H2Stream::Fill() {
  while (in_.empty() && !remote_done_ && !read_broken_) {
    co_await WaitFor(&read_waiter_);
  }
  co_return !read_broken_;
}

void H2Stream::SetTrailers(const HeaderMap& trailers) {
  trailers_out_.Clear();
  trailers_out_.AddAll(trailers, false);
  has_trailers_out_ = trailers.size() > 0;
}

bool H2Stream::SubmitInterim(const std::vector<nghttp2_nv>& fields) {
  if (write_broken_) return false;
  const int32_t result = nghttp2_submit_headers(connection_->session_, NGHTTP2_FLAG_NONE, id_,
                                                nullptr, fields.data(), fields.size(), nullptr);
  connection_->Send();
  return result == 0;
}

bool H2Stream::SubmitOnce(bool with_body) {
  if (submitted_) return true;
  submitted_ = true;
  nghttp2_data_provider body;
  body.source.ptr = nullptr;  // Found by its stream, which may be gone before its data.
  body.read_callback = H2Connection::Callbacks::ReadData;
  if (!with_body) end_queued_ = true;
  return Submit(with_body ? &body : nullptr);
}

WriteStatus H2Stream::Write(std::string_view data, bool last) {
  if (write_broken_) return WriteStatus::kFailed;
  out_ = data;
  out_last_ = last;
  const bool resumes = submitted_;
  if (!SubmitOnce(!last || !data.empty() || has_trailers_out_)) {
    Break();
    return WriteStatus::kFailed;
  }
  if (resumes) nghttp2_session_resume_data(connection_->session_, id_);
  connection_->Send();
  if (OutgoingTaken()) return WriteStatus::kDone;
  return write_broken_ ? WriteStatus::kFailed : WriteStatus::kAgain;
}

Task<bool> H2Stream::Flush() {
  if (!write_broken_ && !submitted_) {
    if (!SubmitOnce(true)) Break();
    connection_->Send();
  }
  while (!OutgoingTaken() && !write_broken_) {
    co_await WaitFor(&write_waiter_);
  }
  co_return OutgoingTaken();
}

}  // namespace apk

// One HTTP/2 connection (RFC 9113), either side of it. nghttp2 keeps the protocol; here are the
// socket, the windows and the waiting. One coroutine reads, one writes, and each stream is used by
// the coroutines of its exchange.
//
// Nothing is resumed from within nghttp2: its callbacks note what happened, and whoever waits for
// it is resumed afterwards. Windows open as bodies are taken, so that back-pressure goes from end
// to end.
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/poller.h"
#include "data-plane/session/exchange.h"
#include "data-plane/session/h2_fields.h"

namespace apk {

struct H2Limits {
  uint32_t streams_max = 100;  // That the peer may open at a time.
  uint32_t stream_window = 64 * 1024;
  uint32_t connection_window = 1024 * 1024;
  uint32_t header_list_bytes_max = 64 * 1024;
  std::chrono::milliseconds idle_timeout{75'000};  // Without a stream.
  std::chrono::milliseconds write_stall_timeout{30'000};
};

// Frames that cost the receiver more than the sender: so many at once, so many a second after that.
class FrameAllowance {
 public:
  FrameAllowance(double burst, double per_second)
      : burst_(burst), per_second_(per_second), left_(burst) {}

  // False when the peer has used it up.
  bool Take(TimePoint now);
  void Refund(double frames);

 private:
  double burst_;
  double per_second_;
  double left_;
  TimePoint filled_{};
};

class H2Stream;

class H2Connection : public std::enable_shared_from_this<H2Connection> {
 public:
  virtual ~H2Connection();
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // Serves the connection until it is over and no stream is left. Call once. `received` was read
  // off the stream before.
  Task<> Run(std::string received);
  // Ends it at once.
  void Close() { Fail(); }
  // Takes no more streams, finishes those that are there, then ends.
  void Drain();

  bool closed() const { return closed_; }
  bool closing() const { return closing_; }
  size_t streams() const { return streams_; }

 protected:
  enum class Side : uint8_t { kServer, kClient };
  // `limits` outlives the connection.
  H2Connection(Side side, Executor executor, std::unique_ptr<ByteStream> stream,
               DeadlineList& deadlines, const H2Limits& limits);

  // Called from within nghttp2; may not resume anyone. OnBeginHeaders may refuse with an
  // NGHTTP2_ERR_ code.
  virtual int OnBeginHeaders(const nghttp2_frame& frame) = 0;
  virtual int OnHeader(const nghttp2_frame& frame, std::string_view name,
                       std::string_view value) = 0;
  virtual void OnHeaders(const nghttp2_frame& frame) = 0;
  virtual void OnGoAway() {}
  // The peer's have changed.
  virtual void OnSettings() {}
  // A stream was reset because of what the peer sent on it.
  virtual void OnStreamFault() {}
  // After what was received is understood: streams that it opened can be given away.
  virtual void OnReceived() {}
  // Nothing more can come.
  virtual void OnClosed() {}

  H2Stream* StreamOf(int32_t id) const;
  nghttp2_session* session() const { return session_; }
  DeadlineList& deadlines() const { return deadlines_; }
  const H2Limits& limits() const { return limits_; }
  bool draining() const { return draining_; }
  // The connection was ended because of what the peer sent.
  bool peer_at_fault() const { return peer_at_fault_; }
  // Of a client: opens no more streams, and the connection ends with the last one.
  void Retire();
  // Puts what is queued into frames and lets the writer send them, soon.
  void Send();

 private:
  friend class H2Stream;
  struct Callbacks;

  Task<> WriteLoop();
  bool Feed(std::string_view bytes);
  bool Idle() const { return streams_ == 0; }
  void GuardStream();
  void CountFrame(const nghttp2_frame_hd& head);
  // Neither side has anything left to say.
  bool Over() const;
  void CheckNewStream(int32_t id);
  void Punish();
  void Wake(H2Stream& stream);
  void RunWoken();
  void ScheduleRun();
  void ScheduleWriter();
  void Forget(H2Stream& stream);
  // Fails all streams and ends reading and writing.
  void Fail();

  const Executor executor_;
  const std::unique_ptr<ByteStream> stream_;
  DeadlineList& deadlines_;
  const H2Limits& limits_;
  const Side side_;
  nghttp2_session* session_ = nullptr;

  std::string out_;      // Frames not given to the writer yet.
  std::string writing_;  // By the writer, now.
  Waiter writer_waiter_;
  bool writer_scheduled_ = false;
  bool writer_running_ = false;

  std::vector<H2Stream*> open_;   // All that exist.
  std::vector<H2Stream*> woken_;  // nullptr: gone since.
  bool run_scheduled_ = false;
  Waiter done_waiter_;  // Of Run, for the last stream and the writer.

  FrameAllowance allowance_;
  FrameAllowance resets_;
  int empty_frames_ = 0;                                 // In a row.
  int32_t last_opened_ = -1;                             // By the client.
  std::deque<std::pair<int32_t, int32_t>> passed_over_;  // Identifiers, from and to, the latest.
  size_t streams_ = 0;
  bool draining_ = false;
  bool said_goodbye_ = false;
  bool peer_at_fault_ = false;
  bool inside_ = false;   // nghttp2 is at work: it may not be asked for frames.
  bool closing_ = false;  // Flush what is there, then close.
  bool closed_ = false;
};

// One stream of a connection, as the exchange on it uses it: body in, body out.
class H2Stream : public Deadline {
 public:
  explicit H2Stream(std::shared_ptr<H2Connection> connection, DeadlineList& deadlines);
  // Whatever is not finished is reset.
  ~H2Stream() override;

  int32_t id() const { return id_; }
  bool timed_out() const { return timed_out_; }
  bool refused() const { return refused_; }

 protected:
  // Sends the head that was prepared: by nghttp2_submit_request or _response, with `body` or, where
  // it is nullptr, as all there is. False where nghttp2 refuses.
  virtual bool Submit(const nghttp2_data_provider* body) = 0;
  virtual void OnBroken() {}
  void OnDeadline() override;

  BodySlice Next();
  Task<bool> Fill();
  void SetTrailers(const HeaderMap& trailers);
  WriteStatus Write(std::string_view data, bool last);
  Task<bool> Flush();
  void Reset(uint32_t code);
  // An interim response.
  bool SubmitInterim(const std::vector<nghttp2_nv>& fields);
  void Notify() { connection_->Wake(*this); }
  // Waits until something came.
  Task<> WaitForRead();

  H2Connection& connection() const { return *connection_; }
  nghttp2_session* session() const { return connection_->session_; }
  bool broken() const { return write_broken_; }
  bool read_broken() const { return read_broken_; }
  bool remote_done() const { return remote_done_; }
  // The stream or its connection was ended because of what the peer sent.
  bool peer_at_fault() const { return peer_at_fault_ || connection_->peer_at_fault(); }
  bool finished() const { return remote_done_ && end_queued_; }

  HeaderMap trailers_in_;
  int32_t id_ = -1;

 private:
  friend class H2Connection;
  friend struct H2Connection::Callbacks;

  bool OutgoingTaken() const { return out_.empty() && (!out_last_ || end_queued_); }
  bool SubmitOnce(bool with_body);
  void ReleaseLent();
  uint32_t CodeOfEnd() const;
  void Break();

  const std::shared_ptr<H2Connection> connection_;
  size_t index_;      // In the connection's list.
  std::string in_;    // Came and was not taken.
  std::string lent_;  // Taken by Next; its window opens at the next call.
  std::string_view out_;
  H2FieldBlock trailers_out_;
  bool has_trailers_out_ = false;
  bool out_last_ = false;
  bool submitted_ = false;
  bool end_queued_ = false;
  bool remote_done_ = false;
  bool read_broken_ = false;
  bool write_broken_ = false;
  bool closed_ = false;  // nghttp2 has forgotten it.
  bool refused_ = false;
  bool peer_at_fault_ = false;
  bool timed_out_ = false;
  bool woken_ = false;
  Waiter read_waiter_;
  Waiter write_waiter_;
};

}  // namespace apk

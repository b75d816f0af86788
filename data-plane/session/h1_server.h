// One HTTP/1.1 connection of a client, and the exchanges that follow each other on it (RFC
// 9112 9.3). Pipelined requests wait in the read buffer and are served in order.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "data-plane/http/head_parser.h"
#include "data-plane/session/exchange.h"
#include "data-plane/session/h1_body.h"
#include "data-plane/session/read_buffer.h"

namespace apk {

struct SessionLimits {
  HeadLimits head;
  std::chrono::milliseconds head_timeout{10'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds last_idle_timeout{
      1000};  // Instead of both, once connections are to end.
  std::chrono::milliseconds body_stall_timeout{30'000};
  uint64_t body_bytes_per_second_min = 500;  // After a first body_stall_timeout of waiting.
  std::chrono::milliseconds write_stall_timeout{30'000};
  uint64_t requests_max = 10'000;       // Of one connection.
  size_t drain_bytes_max = 256 * 1024;  // Of a body that nobody wanted, before a close.
  size_t skip_bytes_max = 64 * 1024;    // The same, so that the connection can be kept.
  std::chrono::milliseconds drain_timeout{1000};
};

class H1ServerConnection final : public ServerExchange {
 public:
  // `limits` and `ending` outlive the connection. `ending`: answer the requests that are on their
  // way, say with each that it is the last, then close. `requests`: as in Taken, of a connection
  // that goes on; `idle_until`: when the wait that goes on ends.
  H1ServerConnection(std::unique_ptr<ByteStream> stream, std::string client_address, bool secure,
                     const SessionLimits& limits, const bool& ending, uint64_t requests = 0,
                     TimePoint idle_until = kNoDeadline);

  enum class ReadOutcome : uint8_t { kRequest, kClosed, kRefused, kHttp2, kIdle };
  // The next request head. kRefused: answer refusal() and close. kHttp2: it began with the preface
  // of HTTP/2 (RFC 9113 3.3); go on with what TakeStream gives, this object is done. kIdle: the
  // same, after YieldIfIdle; the stream still has the deadline of the wait.
  Task<ReadOutcome> ReadRequest();
  uint16_t refusal() const { return refusal_; }
  struct Taken {
    std::unique_ptr<ByteStream> stream;
    std::string received;   // Read off it already.
    uint64_t requests = 0;  // That it has carried.
  };
  Taken TakeStream();

  // Ends the exchange; true when another may follow. Otherwise the connection was closed
  // gracefully, unread bytes of the client read away first so that it sees the response.
  Task<bool> FinishExchange();
  // The usual case of it: both messages are whole and another may follow. False: FinishExchange has
  // work to do.
  bool FinishedAtOnce();

  RequestHead& request() override { return request_; }
  ResponseHead& response() override { return response_; }
  const std::string& client_address() const override { return client_address_; }
  BodySlice NextBody() override { return body_.Next(); }
  Task<bool> FillBody() override;
  bool body_timed_out() const override { return stream_->timed_out(); }
  void LimitBody(std::chrono::milliseconds time) override;
  WriteStatus WriteContinue() override;
  WriteStatus WriteInterim(const ResponseHead& head) override;
  void WriteHead(const ResponseHead& head) override;
  void WriteTrailers(const HeaderMap& trailers) override { writer_.SetTrailers(trailers); }
  WriteStatus WriteBody(std::string_view data, bool last) override;
  Task<bool> Flush() override;
  void StartTunnel(const ResponseHead& head) override;
  Task<> EndTunnel() override { return stream_->ShutdownWrite(); }
  void Abort() override;
  void AbortWhenCancelled(ClientExchange*) override {}
  bool head_written() const override { return head_written_; }

  ByteStream& stream() { return *stream_; }
  // Call when it is to end from now on: it does not wait for a next request for as long as it did.
  void OnEnding();
  // Lets ReadRequest return kIdle, soon, where it waits for a next request and none has begun since
  // the last call; false where not.
  bool YieldIfIdle();

 private:
  // For how long nothing need come.
  std::chrono::milliseconds IdleTime() const;
  // `parsed`: request_ is of the head that is refused, as far as it went; what it asked for stays
  // there.
  ReadOutcome Refuse(uint16_t status, bool parsed = false);
  // Reading and writing may wait at the same time; the stream has one deadline for both. A client
  // that sends too slowly can still be told, one that reads too slowly can't.
  void GuardRead(TimePoint at);
  void GuardWrite(TimePoint at);
  void Guard();
  // Nothing is left to be read, or will come: the connection can be closed without losing the
  // answer.
  bool WillSendNoMore();
  // Reads away what is left of the body; false where it does not come.
  Task<bool> SkipBody();
  Task<> CloseGracefully();

  std::unique_ptr<ByteStream> stream_;
  std::string client_address_;
  bool secure_;
  const SessionLimits& limits_;
  const bool& ending_;

  ReadBuffer buffer_;
  HeadScanner scanner_;
  RequestHead request_;
  ResponseHead response_;
  H1BodyReader body_;
  H1BodyWriter writer_;
  TimePoint idle_until_;  // Of the first wait, or kNoDeadline.
  TimePoint read_deadline_ = kNoDeadline;
  TimePoint body_limit_ = kNoDeadline;
  std::chrono::steady_clock::duration body_waited_{0};
  TimePoint write_deadline_ = kNoDeadline;
  uint64_t requests_ = 0;
  uint64_t requests_seen_idle_ = 0;  // When YieldIfIdle was called last.
  uint16_t refusal_ = 0;
  bool waiting_ = false;  // In ReadRequest, between requests.
  bool yielding_ = false;
  bool keep_alive_ = false;
  bool continue_wanted_ = false;
  bool head_written_ = false;
  bool response_complete_ = false;
  bool aborted_ = false;
  bool tunnel_ = false;  // May be silent for as long as it likes.
};

}  // namespace apk

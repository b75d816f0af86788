// An HTTP/2 connection of a client: each request that comes in is given away as an exchange, and
// many are served at a time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data-plane/http/h2_head.h"
#include "data-plane/session/h1_server.h"
#include "data-plane/session/h2_connection.h"

namespace apk {

class H2ServerConnection;

class H2ServerExchange final : public ServerExchange, private H2Stream {
 public:
  H2ServerExchange(std::shared_ptr<H2ServerConnection> connection, int32_t id);

  // What the head is refused with; 0: it is to be served.
  uint16_t refusal() const { return refusal_; }

  RequestHead& request() override { return request_; }
  ResponseHead& response() override { return response_; }
  const std::string& client_address() const override;
  BodySlice NextBody() override { return Next(); }
  Task<bool> FillBody() override;
  void LimitBody(std::chrono::milliseconds time) override;
  WriteStatus WriteContinue() override;
  WriteStatus WriteInterim(const ResponseHead& head) override;
  void WriteHead(const ResponseHead& head) override;
  void WriteTrailers(const HeaderMap& trailers) override { SetTrailers(trailers); }
  WriteStatus WriteBody(std::string_view data, bool last) override { return Write(data, last); }
  Task<bool> Flush() override;
  void StartTunnel(const ResponseHead& head) override;
  Task<> EndTunnel() override { co_return; }
  void Abort() override { Reset(NGHTTP2_INTERNAL_ERROR); }
  bool head_written() const override { return head_written_; }
  bool cancelled() const override { return broken(); }
  void AbortWhenCancelled(ClientExchange* upstream) override;
  // After the answer: reads a short rest of the body away, for a moment. A reset without error may
  // stop a client that still sends (RFC 9113 8.1), but some take it for a failure.
  Task<> ReadRestAway();

 private:
  friend class H2ServerConnection;

  bool Submit(const nghttp2_data_provider* body) override;
  void OnBroken() override;
  void OnDeadline() override;
  void GuardRead(TimePoint at);
  void GuardWrite(TimePoint at);
  void FinishHead(bool ends_stream);
  const SessionLimits& session_limits() const;

  RequestHead request_;
  ResponseHead response_;
  std::optional<H2RequestHeadBuilder> builder_;  // While the head comes in.
  H2FieldBlock head_out_;
  ClientExchange* upstream_ = nullptr;
  TimePoint read_deadline_ = kNoDeadline;
  TimePoint write_deadline_ = kNoDeadline;
  TimePoint body_limit_ = kNoDeadline;
  uint16_t refusal_ = 0;
  bool head_written_ = false;
  bool continue_wanted_ = false;
  bool patient_ = false;  // Its body may be silent for as long as it likes.
};

class H2ServerConnection final : public H2Connection {
 public:
  // Serves one exchange; called between reads, with the head whole.
  using Serve = std::function<void(std::unique_ptr<H2ServerExchange>)>;

  // `limits`, `session_limits` outlive the connection.
  H2ServerConnection(Executor executor, std::unique_ptr<ByteStream> stream, DeadlineList& deadlines,
                     const H2Limits& limits, const SessionLimits& session_limits,
                     std::string client_address, bool secure, Serve serve);

 private:
  friend class H2ServerExchange;

  int OnBeginHeaders(const nghttp2_frame& frame) override;
  int OnHeader(const nghttp2_frame& frame, std::string_view name, std::string_view value) override;
  void OnHeaders(const nghttp2_frame& frame) override;
  void OnReceived() override;
  void OnClosed() override;

  const SessionLimits& session_limits_;
  const std::string client_address_;
  const bool secure_;
  const Serve serve_;
  std::unique_ptr<H2ServerExchange> assembling_;  // Its head is coming in.
  std::vector<std::unique_ptr<H2ServerExchange>> ready_;
};

}  // namespace apk

// An HTTP/2 connection to a backend, and the exchanges that run on it side by side.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data-plane/http/h2_head.h"
#include "data-plane/session/h2_connection.h"

namespace apk {

class H2ClientConnection;

class H2ClientExchange final : public ClientExchange, private H2Stream {
 public:
  explicit H2ClientExchange(std::shared_ptr<H2ClientConnection> connection);

  void WriteHead(const OutgoingRequest& request) override;
  void WriteTrailers(const HeaderMap& trailers) override { SetTrailers(trailers); }
  WriteStatus WriteBody(std::string_view data, bool last) override { return Write(data, last); }
  Task<bool> Flush() override { return H2Stream::Flush(); }
  Task<HeadResult> ReadHead(ResponseHead& head) override;
  // Not offered to backends: nothing asks for it.
  void StartTunnel() override {}
  BodySlice NextBody() override { return Next(); }
  Task<bool> FillBody() override { return Fill(); }
  void SetDeadline(TimePoint at) override { H2Stream::SetDeadline(at); }
  void Abort() override { Reset(NGHTTP2_CANCEL); }
  bool timed_out() const override { return H2Stream::timed_out(); }
  bool reused() const override { return reused_; }

 private:
  friend class H2ClientConnection;

  bool Submit(const nghttp2_data_provider* body) override;
  void BeginHead();
  void FinishHead(bool ends_stream);

  H2FieldBlock head_out_;
  HeadLimits limits_;
  ResponseHead head_in_;  // Coming in.
  std::optional<H2ResponseHeadBuilder> builder_;
  std::deque<ResponseHead> heads_;  // Came, and were not read.
  bool request_was_head_ = false;
  bool final_head_ = false;
  bool malformed_ = false;
  bool reused_ = false;
};

class H2ClientConnection final : public H2Connection {
 public:
  // `limits` outlives the connection. `told` is called when the backend says how many streams it
  // takes; it may not resume anyone.
  H2ClientConnection(Executor executor, std::unique_ptr<ByteStream> stream, DeadlineList& deadlines,
                     const H2Limits& limits, bool secure, std::function<void()> told = {});

  // The backend takes one more exchange now.
  bool HasRoom() const;
  // REQUIRES: HasRoom().
  std::unique_ptr<H2ClientExchange> Open();

 private:
  friend class H2ClientExchange;

  int OnBeginHeaders(const nghttp2_frame& frame) override;
  int OnHeader(const nghttp2_frame& frame, std::string_view name, std::string_view value) override;
  void OnHeaders(const nghttp2_frame& frame) override;
  void OnGoAway() override { going_away_ = true; }
  void OnSettings() override {
    if (told_) told_();
  }
  // Who sends one message that is none may send others.
  void OnStreamFault() override;

  const bool secure_;
  const std::function<void()> told_;
  bool going_away_ = false;
  bool used_ = false;
};

}  // namespace apk

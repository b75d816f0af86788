// One kept-alive HTTP/1.1 connection to a backend or a mirror, and the exchange that runs on it.
#pragma once

#include <cstdint>
#include <memory>

#include "data-plane/http/head_parser.h"
#include "data-plane/session/exchange.h"
#include "data-plane/session/h1_body.h"
#include "data-plane/session/read_buffer.h"

namespace apk {

class H1ClientConnection final : public ClientExchange {
 public:
  explicit H1ClientConnection(std::unique_ptr<ByteStream> stream)
      : stream_(std::move(stream)), body_(*stream_, buffer_), writer_(*stream_) {}

  void WriteHead(const OutgoingRequest& request) override;
  // The same for a head that is serialized already: `bytes` with its final empty line.
  void WriteRawHead(std::string_view bytes, bool is_head_request, bool chunked);
  // The heads of further requests without bodies, behind one of that kind and before its WriteBody:
  // a pipeline (RFC 9112, section 9.3.2).
  void AddRawHead(std::string_view bytes) { writer_.head().append(bytes); }
  // One answer of a pipeline was read whole: what is read next is the next one. False where the
  // server said that there is none.
  bool ExpectNextAnswer(bool is_head_request);
  void WriteTrailers(const HeaderMap& trailers) override { writer_.SetTrailers(trailers); }
  WriteStatus WriteBody(std::string_view data, bool last) override;
  Task<bool> Flush() override { return writer_.Flush(); }
  Task<HeadResult> ReadHead(ResponseHead& head) override;
  BodySlice NextBody() override { return body_.Next(); }
  Task<bool> FillBody() override { return body_.Fill(); }

  // The exchange is over, both halves whole, and nothing is left over: another may follow.
  bool Reusable() const {
    return request_complete_ && keep_alive_ && body_.done() && buffer_.empty();
  }
  // False where it has gone stale since the last exchange; `certain` as in ByteStream::IsQuiet.
  bool StillQuiet(bool certain) { return stream_->IsQuiet(certain); }

  void StartTunnel() override;
  void SetDeadline(TimePoint at) override { stream_->SetDeadline(at); }
  void Abort() override { stream_->Close(); }
  bool timed_out() const override { return stream_->timed_out(); }
  bool reused() const override { return exchanges_ > 1; }
  ByteStream& stream() { return *stream_; }

 private:
  std::string& StartHead(bool is_head_request, bool chunked);

  std::unique_ptr<ByteStream> stream_;
  ReadBuffer buffer_;
  HeadScanner scanner_;
  H1BodyReader body_;
  H1BodyWriter writer_;
  uint64_t exchanges_ = 0;
  bool request_was_head_ = false;
  bool request_complete_ = false;
  bool keep_alive_ = false;
};

}  // namespace apk

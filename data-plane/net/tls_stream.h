// A TLS connection, either side, as a ByteStream. OpenSSL reads and writes the socket itself,
// through what the poller knows of it: an idle connection holds no buffer.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/tcp_stream.h"
#include "data-plane/net/tls_context.h"

namespace apk {

class TlsStream final : public ByteStream {
 public:
  // Keeps `context` alive for as long as it lives. Nothing was read from `transport` yet.
  TlsStream(std::unique_ptr<TcpStream> transport, SslContext context, DeadlineList& deadlines);
  ~TlsStream() override;

  // False where the handshake failed; the stream is then closed. A client that took the port for one of
  // plain HTTP is told so first.
  Task<bool> AcceptHandshake();
  // `slot`: of the session to resume, and where the new one goes; may be nullptr.
  Task<bool> ConnectHandshake(ServerNames names, std::shared_ptr<SessionSlot> slot);
  // Call before it: HTTP/2 is offered before HTTP/1.1.
  void OfferHttp2();

  ReadResult TryRead(char* data, size_t size) override;
  WriteStatus TryWrite(WriteBuffers& buffers) override;
  Task<bool> Write(WriteBuffers buffers) override;
  void Close() override;
  void CancelRead() override;
  Task<> ShutdownWrite() override;
  bool IsQuiet(bool certain) override;
  PolledSocket& socket() override { return socket_; }

  // Of an accepted connection.
  const HandshakeFacts& facts() const { return facts_; }
  // The handshake chose HTTP/2 (ALPN).
  bool http2() const;
  // The handshake was a resumption.
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

 private:
  // What a call of OpenSSL ended with.
  enum class Outcome : uint8_t { kDone, kWantRead, kWantWrite, kEnded, kFailed };

  Outcome OutcomeOf(int result);
  Task<bool> Handshake();
  void AnswerPlainHttp();
  std::string_view NextRecord(const WriteBuffers& buffers);

  SslContext context_;
  std::unique_ptr<TcpStream> transport_;
  PolledSocket& socket_;  // Of the transport.
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  HandshakeFacts facts_;
  ServerNames names_;
  std::shared_ptr<SessionSlot> slot_;
  bool failed_ = false;
  bool plain_http_ = false;  // It began with an HTTP request in clear text.
};

}  // namespace apk

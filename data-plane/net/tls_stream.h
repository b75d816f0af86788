// A TLS connection, either side, as a ByteStream. OpenSSL reads and writes the socket itself,
// through what the poller knows of it: an idle connection holds no buffer. Where that is wanted and
// a server's handshake has chosen TLS 1.3, OpenSSL is let go after it, and TlsRecords goes on.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/tcp_stream.h"
#include "data-plane/net/tls_context.h"
#include "data-plane/net/tls_records.h"

namespace apk {

class TlsStream final : public ByteStream {
 public:
  // Keeps `context` alive for as long as it lives. Nothing was read from `transport` yet.
  TlsStream(std::unique_ptr<TcpStream> transport, SslContext context, DeadlineList& deadlines);
  ~TlsStream() override;

  // False where the handshake failed; the stream is then closed. A client that took the port for
  // one of plain HTTP is told so first. The agent has records of TLS 1.3 only, whatever is wanted.
  Task<bool> AcceptHandshake(RecordsBy records);
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
  void Rest() override;
  PolledSocket& socket() override { return socket_; }

  // Of an accepted connection.
  const HandshakeFacts& facts() const { return facts_; }
  // The handshake chose HTTP/2 (ALPN).
  bool http2() const { return http2_; }
  // Why a handshake failed, for people. REQUIRES: it did.
  std::string failure() const;
  // The handshake was a resumption.
  bool resumed() const { return resumed_; }

 private:
  // What a call of OpenSSL ended with.
  enum class Outcome : uint8_t { kDone, kWantRead, kWantWrite, kEnded, kFailed };

  // The socket as OpenSSL sees it.
  struct Wire {
    PolledSocket& socket;
    // During a server's handshake OpenSSL is not given more than it asks for, so that it has
    // nothing of what follows; that is here.
    bool by_pieces = false;
    std::string received = {};
    size_t taken = 0;  // Of it.
  };
  // All that OpenSSL needs.
  struct Engine {
    SslContext context;
    ServerNames names;
    std::shared_ptr<SessionSlot> slot;
    TrafficSecrets secrets;
    Wire wire;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
  };

  static int ReadWire(BIO* bio, char* data, int size);
  static int WriteWire(BIO* bio, const char* data, int size);
  static BIO_METHOD* WireMethod();

  Outcome OutcomeOf(int result);
  Task<bool> Handshake();
  void AnswerPlainHttp();
  // Lets OpenSSL go, where that is possible.
  void TakeOverRecords();
  std::string_view NextRecord(const WriteBuffers& buffers);
  // With OpenSSL.
  WriteStatus TryWriteEngine(WriteBuffers& buffers);
  Task<> SayGoodbyeEngine();
  // Without it. kDone: there is something to read.
  Outcome AdvanceRecords();
  WriteStatus TryWriteRecords(WriteBuffers& buffers);
  // False where the connection has failed. What the kernel does not take follows later.
  bool SendRecords(std::string_view bytes);

  std::unique_ptr<TcpStream> transport_;
  PolledSocket& socket_;  // Of the transport.
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<TlsRecords> records_;  // This or the engine.
  size_t sealed_ = 0;  // Of what is to be written: in a record that is not sent whole yet.
  HandshakeFacts facts_;
  unsigned long error_ = 0;  // OpenSSL's code of what failed.
  bool failed_ = false;
  bool plain_http_ = false;  // It began with an HTTP request in clear text.
  bool http2_ = false;
  bool resumed_ = false;
};

}  // namespace apk

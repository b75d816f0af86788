// A TLS connection, either side, as a ByteStream.
#pragma once

#include <boost/asio/ssl/stream.hpp>
#include <string>
#include <vector>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/tcp_stream.h"
#include "data-plane/net/tls_context.h"

namespace apk {

class TlsStream final : public ByteStream {
 public:
  // Keeps `context` alive for as long as it lives.
  TlsStream(TcpSocket socket, SslContext context, DeadlineList& deadlines);

  // False where the handshake failed; the stream is then closed.
  Task<bool> AcceptHandshake();
  Task<bool> ConnectHandshake(std::string server_name, std::vector<std::string> allowed_names);

  Task<ReadResult> Read(char* data, size_t size) override;
  WriteStatus TryWrite(WriteBuffers& buffers) override;
  Task<bool> Write(WriteBuffers buffers) override;
  void Close() override;
  Task<> ShutdownWrite() override;
  bool IsQuiet(bool certain) override;

  // Call before ConnectHandshake: HTTP/2 is offered before HTTP/1.1.
  void OfferHttp2();
  // The handshake chose HTTP/2 (ALPN).
  bool http2() const;

  // The SNI name of an accepted connection, lower case; "" where there was none.
  const std::string& server_name() const { return server_name_; }

 private:
  void CancelRead() override;

  SslContext context_;
  asio::ssl::context borrowed_;                  // Asio's view of the same context.
  mutable asio::ssl::stream<TcpSocket> stream_;  // Its handle is not const's to give.
  std::string joined_;                           // Small pieces go out as one record.
  std::string server_name_;
};

}  // namespace apk

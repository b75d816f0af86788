// A TCP connection as a ByteStream.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "data-plane/net/byte_stream.h"
#include "data-plane/net/poller.h"

namespace apk {

using TcpSocket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

// Reads without waiting whether an open socket has something to say: false for data, end or error.
bool SocketIsQuiet(int descriptor);

class TcpStream final : public ByteStream {
 public:
  // Owns the connected socket, which is non-blocking.
  TcpStream(int descriptor, Executor executor, DeadlineList& deadlines);
  // Takes it over from Asio; sets TCP_NODELAY and non-blocking mode.
  TcpStream(TcpSocket socket, DeadlineList& deadlines);
  ~TcpStream() override;

  ReadResult TryRead(char* data, size_t size) override;
  WriteStatus TryWrite(WriteBuffers& buffers) override;
  Task<bool> Write(WriteBuffers buffers) override;
  void Close() override;
  void CancelRead() override;
  Task<> ShutdownWrite() override;
  bool IsQuiet(bool certain) override;

  PolledSocket& socket() override { return socket_; }

 private:
  Executor executor_;
  Poller& poller_;
  PolledSocket socket_;
  int reads_in_a_row_ = 0;  // Without having waited.
};

}  // namespace apk

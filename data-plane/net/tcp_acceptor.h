// A listening socket of one loop. Used by the thread of its loop only.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "data-plane/net/poller.h"
#include "data-plane/net/resolver.h"

namespace apk {

class TcpAcceptor {
 public:
  explicit TcpAcceptor(Executor executor) : executor_(executor), poller_(Poller::Of(executor)) {}
  ~TcpAcceptor() { Close(); }
  TcpAcceptor(const TcpAcceptor&) = delete;
  TcpAcceptor& operator=(const TcpAcceptor&) = delete;

  // Binds so that other sockets of this kind may share the port (SO_REUSEPORT), and listens. Call
  // once.
  boost::system::error_code Open(const TcpEndpoint& endpoint);
  bool is_open() const { return socket_.descriptor >= 0; }

  struct Accepted {
    int descriptor = -1;  // The caller's: non-blocking, TCP_NODELAY. -1: none.
    bool wait = false;    // Nobody is there now.
    TcpEndpoint peer;
  };
  Accepted TryAccept();
  // `const auto [error] = co_await acceptor.WaitToAccept();` An error: it was closed.
  auto WaitToAccept() { return WaitForReading(&socket_); }
  // Ends the wait. Idempotent.
  void Close();

 private:
  Executor executor_;
  Poller& poller_;
  PolledSocket socket_;
  int accepts_in_a_row_ = 0;  // Without having waited.
};

}  // namespace apk

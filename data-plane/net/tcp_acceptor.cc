// Options of the listening socket are those of what it accepts: nothing is set for each connection.
#include "data-plane/net/tcp_acceptor.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace apk {
namespace {

constexpr int kBacklog = 4096;
// Connections that come as fast as they are accepted would keep the loop to themselves.
constexpr int kAcceptsInARowMax = 16;

boost::system::error_code LastError() { return {errno, boost::system::system_category()}; }

}  // namespace

boost::system::error_code TcpAcceptor::Open(const TcpEndpoint& endpoint) {
  const int descriptor =
      socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (descriptor < 0) return LastError();
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(descriptor, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      listen(descriptor, kBacklog) != 0) {
    const boost::system::error_code error = LastError();
    close(descriptor);
    return error;
  }
  socket_.descriptor = descriptor;
  poller_.Add(socket_);
  return {};
}

TcpAcceptor::Accepted TcpAcceptor::TryAccept() {
  Accepted accepted;
  if (!socket_.readable || ++accepts_in_a_row_ > kAcceptsInARowMax) {
    accepts_in_a_row_ = 0;
    accepted.wait = true;
    return accepted;
  }
  auto size = static_cast<socklen_t>(accepted.peer.capacity());
  do {
    accepted.descriptor =
        accept4(socket_.descriptor, accepted.peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (accepted.descriptor < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (accepted.descriptor >= 0) {
    accepted.peer.resize(size);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    socket_.readable = false;
    accepted.wait = true;
  }
  return accepted;
}

void TcpAcceptor::Close() {
  if (!is_open()) return;
  poller_.Remove(socket_);
  close(socket_.descriptor);
  socket_.descriptor = -1;
  socket_.readable = false;
  socket_.read_waiter.Cancel(executor_);
}

}  // namespace apk

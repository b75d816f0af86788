// The kernel is asked where a socket is bound, rather than who passed it on.
#include "data-plane/net/listening_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <utility>

namespace apk {
namespace {

namespace asio = boost::asio;

bool Listens(int descriptor) {
  int listens = 0;
  int protocol = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) return false;
  size = sizeof protocol;
  return getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && listens != 0 &&
         protocol == IPPROTO_TCP;
}

}  // namespace

std::optional<ListeningSocket> DescribeListener(Descriptor descriptor) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (!Listens(descriptor.get()) ||
      getsockname(descriptor.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return std::nullopt;
  }
  ListeningSocket socket;
  socket.descriptor = std::move(descriptor);
  if (name.ss_family == AF_INET) {
    const auto& bound = reinterpret_cast<const sockaddr_in&>(name);
    socket.address = asio::ip::address_v4(ntohl(bound.sin_addr.s_addr)).to_string();
    socket.port = ntohs(bound.sin_port);
    return socket;
  }
  if (name.ss_family != AF_INET6) return std::nullopt;
  const auto& bound = reinterpret_cast<const sockaddr_in6&>(name);
  asio::ip::address_v6::bytes_type bytes;
  std::copy(std::begin(bound.sin6_addr.s6_addr), std::end(bound.sin6_addr.s6_addr), bytes.begin());
  socket.address = asio::ip::address_v6(bytes, bound.sin6_scope_id).to_string();
  socket.port = ntohs(bound.sin6_port);
  return socket;
}

std::optional<ListeningSocket> DuplicateListener(int descriptor) {
  return DescribeListener(Descriptor(fcntl(descriptor, F_DUPFD_CLOEXEC, 0)));
}

std::vector<ListeningSocket> TakeListeners(std::vector<ListeningSocket>& sockets,
                                           const std::string& address, uint16_t port) {
  std::vector<ListeningSocket> taken;
  std::vector<ListeningSocket> left;
  for (ListeningSocket& socket : sockets) {
    const bool wanted = socket.address == address && socket.port == port;
    (wanted ? taken : left).push_back(std::move(socket));
  }
  sockets = std::move(left);
  return taken;
}

}  // namespace apk

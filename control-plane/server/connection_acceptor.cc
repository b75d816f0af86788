// Whoever ends a connection shuts it down, and that shows at every descriptor of it.
#include "control-plane/server/connection_acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/strings.h"

namespace apk {
namespace {

constexpr int kBacklog = 1024;
constexpr size_t kOtherFiles = 200;  // The store, logs, the other ports.
constexpr size_t kFewest = 64;
constexpr std::chrono::milliseconds kPause{100};
constexpr int kAcceptsInARowMax = 64;

absl::Status CantListen(const ListenAddress& address) {
  return absl::UnavailableError(
      Concat("can't listen on ", address.ToString(),
             ": the port is taken or the address is not of this machine"));
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress V6(const in6_addr& host, uint16_t port) {
  SocketAddress address;
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = host;
  v6.sin6_port = htons(port);
  address.size = sizeof(sockaddr_in6);
  return address;
}

SocketAddress V4(const in_addr& host, uint16_t port) {
  SocketAddress address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  v4.sin_family = AF_INET;
  v4.sin_addr = host;
  v4.sin_port = htons(port);
  address.size = sizeof(sockaddr_in);
  return address;
}

// -1 where it can't be.
int Bind(SocketAddress address, bool both_families) {
  const int family = address.storage.ss_family;
  const int made = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made < 0) return -1;
  const int on = 1;
  const int only_v6 = both_families ? 0 : 1;
  setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
  if (bind(made, address.get(), address.size) == 0 && listen(made, kBacklog) == 0) return made;
  close(made);
  return -1;
}

int BindTo(const ListenAddress& address) {
  in6_addr v6 = in6addr_any;
  in_addr v4{};
  if (address.IsWildcard()) {
    const int both = Bind(V6(v6, address.port), true);
    return both >= 0 || address.host == "::" ? both : Bind(V4(v4, address.port), false);
  }
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return Bind(V4(v4, address.port), false);
  if (inet_pton(AF_INET6, address.host.c_str(), &v6) != 1) return -1;
  return Bind(V6(v6, address.port), false);
}

}  // namespace

void RaiseFileLimit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

ConnectionLimits AffordableConnections() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const auto most = static_cast<size_t>(files.rlim_cur);
  ConnectionLimits limits;
  limits.connections = most > 2 * kOtherFiles ? (most - kOtherFiles) / 2 : 0;
  limits.connections = std::max(limits.connections, kFewest);
  limits.per_address = limits.connections / 2;
  return limits;
}

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Listen(
    const ListenAddress& address, const ConnectionLimits& limits) {
  auto acceptor = std::unique_ptr<ConnectionAcceptor>(new ConnectionAcceptor(limits));
  acceptor->listener_ = BindTo(address);
  if (acceptor->listener_ < 0) return CantListen(address);
  SocketAddress bound;
  getsockname(acceptor->listener_, bound.get(), &bound.size);
  acceptor->port_ = ntohs(bound.storage.ss_family == AF_INET
                              ? reinterpret_cast<const sockaddr_in&>(bound.storage).sin_port
                              : reinterpret_cast<const sockaddr_in6&>(bound.storage).sin6_port);
  acceptor->shares_.SetPort(acceptor->port_);
  acceptor->poll_ = epoll_create1(EPOLL_CLOEXEC);
  acceptor->stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (acceptor->poll_ < 0 || acceptor->stop_ < 0) {
    return absl::UnavailableError(
        Concat("can't listen on ", address.ToString(), ": ", std::strerror(errno)));
  }
  for (const int file : {acceptor->listener_, acceptor->stop_}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = file}};
    epoll_ctl(acceptor->poll_, EPOLL_CTL_ADD, file, &event);
  }
  return acceptor;
}

ConnectionAcceptor::~ConnectionAcceptor() {
  Stop();
  for (const auto& [watched, address] : watched_) close(watched);
  for (const int file : {listener_, poll_, stop_}) {
    if (file >= 0) close(file);
  }
}

void ConnectionAcceptor::Start(Take take) {
  take_ = std::move(take);
  thread_ = Thread("accept", 0, [this] { Run(); });
}

void ConnectionAcceptor::Stop() {
  if (stop_ >= 0) eventfd_write(stop_, 1);
  thread_.Join();
  if (listener_ >= 0) close(std::exchange(listener_, -1));
}

void ConnectionAcceptor::Run() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()),
                                 paused_ ? static_cast<int>(kPause.count()) : -1);
    for (int i = 0; i < count; ++i) {
      const int file = events[static_cast<size_t>(i)].data.fd;
      if (file == stop_) return;
      if (file != listener_) Forget(file);
    }
    if (paused_ && Now() >= paused_until_) Pause(false);
    if (!paused_) AcceptSome();
  }
}

void ConnectionAcceptor::Pause(bool paused) {
  paused_ = paused;
  paused_until_ = Now() + kPause;
  epoll_event event{.events = paused ? 0u : EPOLLIN, .data = {.fd = listener_}};
  epoll_ctl(poll_, EPOLL_CTL_MOD, listener_, &event);
}

// In turns with what closes: while more come than are let in, places are given back all the same.
void ConnectionAcceptor::AcceptSome() {
  for (int i = 0; i < kAcceptsInARowMax; ++i) {
    SocketAddress peer;
    const int accepted = accept4(listener_, peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (accepted < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (accepted < 0) {  // No file descriptor is free, say: that does not pass at once.
      shares_.LogRefusal("", std::strerror(errno));
      return Pause(true);
    }
    const int on = 1;
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (Admit(accepted, HostOf(*peer.get()))) {
      take_(accepted);
    } else {
      close(accepted);
    }
  }
}

bool ConnectionAcceptor::Admit(int socket, const std::string& address) {
  if (!shares_.Take(address)) return false;
  const int watched = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (watched < 0) {
    shares_.LogRefusal(address, std::strerror(errno));
    shares_.GiveBack(address);
    return false;
  }
  epoll_event event{.events = 0, .data = {.fd = watched}};  // Its end is always told.
  epoll_ctl(poll_, EPOLL_CTL_ADD, watched, &event);
  watched_[watched] = address;
  return true;
}

void ConnectionAcceptor::Forget(int watched) {
  const auto found = watched_.find(watched);
  if (found == watched_.end()) return;
  shares_.GiveBack(found->second);
  watched_.erase(found);
  close(watched);
}

}  // namespace apk

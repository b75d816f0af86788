// The floor: what forwarding costs where nothing is parsed, decided or counted. A bare epoll loop that
// passes bytes between each client and a backend connection of its own, and what clients say to a mirror
// as well. For comparison in benchmarks only.
//
//     floor_proxy PORT BACKEND_PORT [MIRROR_PORT]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kEventsMax = 128;
constexpr size_t kBufferBytes = 64 * 1024;

int epoll = -1;
char buffer[kBufferBytes];

struct Pair;

// One socket of a client, its backend connection or its mirror connection.
struct Peer {
  int descriptor = -1;
  Peer* to = nullptr;  // Where what is read goes; nullptr: nowhere.
  Peer* copy_to = nullptr;
  Pair* pair = nullptr;
};

struct Pair {
  Peer client, backend, mirror;
};

void Close(Peer& peer) {
  if (peer.descriptor >= 0) close(peer.descriptor);
  peer.descriptor = -1;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void Watch(Peer& peer) {
  const int on = 1;
  setsockopt(peer.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &peer;
  epoll_ctl(epoll, EPOLL_CTL_ADD, peer.descriptor, &event);
}

int Connect(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  return descriptor;
}

void Accept(int listener, int backend_port, int mirror_port) {
  auto* const pair = new Pair;  // Never freed: the load's connections are few and kept.
  pair->client.pair = pair->backend.pair = pair->mirror.pair = pair;
  pair->client.descriptor = accept(listener, nullptr, nullptr);
  pair->backend.descriptor = Connect(backend_port);
  pair->client.to = &pair->backend;
  pair->backend.to = &pair->client;
  if (mirror_port != 0) {
    pair->mirror.descriptor = Connect(mirror_port);
    pair->client.copy_to = &pair->mirror;
    Watch(pair->mirror);
  }
  Watch(pair->client);
  Watch(pair->backend);
}

// False where nothing was there.
bool Pass(const Peer& from) {
  const ssize_t size = recv(from.descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size == 0) {
    Close(from.pair->client);
    Close(from.pair->backend);
    Close(from.pair->mirror);
  }
  if (size <= 0) return false;
  const auto bytes = static_cast<size_t>(size);
  if (from.to != nullptr) send(from.to->descriptor, buffer, bytes, MSG_NOSIGNAL);
  if (from.copy_to != nullptr) send(from.copy_to->descriptor, buffer, bytes, MSG_NOSIGNAL);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int mirror_port = argc > 3 ? std::atoi(argv[3]) : 0;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(std::atoi(argv[1]));
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 1024) != 0) {
    std::perror("listen");
    return 1;
  }
  epoll = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  epoll_event events[kEventsMax];
  for (;;) {
    const int count = epoll_wait(epoll, events, kEventsMax, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        Accept(listener, std::atoi(argv[2]), mirror_port);
      } else {
        const Peer& from = *static_cast<const Peer*>(events[i].data.ptr);
        // The last bytes and the end may come as one event.
        while (Pass(from) && (events[i].events & EPOLLRDHUP) != 0) {
        }
      }
    }
  }
}

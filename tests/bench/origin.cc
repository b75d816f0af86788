// The origin: answers every request with 1 KiB, or 10 MiB where the path is /large, as cheaply as can be, so that it
// is the proxies in front of it that are busy. A request with a body is answered when its head is there, and bodies
// are of one letter: nothing in them looks like a head's end. For benchmarks only.
//
//     origin PORT
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr int kEventsMax = 128;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

int epoll = -1;
char buffer[64 * 1024];

void Watch(int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

std::string ResponseOf(size_t size) {
  return "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
         "Content-Type: text/plain\r\nContent-Length: " +
         std::to_string(size) + "\r\nConnection: keep-alive\r\n\r\n" + std::string(size, 'x');
}

// A head always comes in one piece here: senders write it at once and it is short.
void Answer(int descriptor, const std::string& short_response, const std::string& large_response) {
  const ssize_t size = recv(descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size <= 0) {
    close(descriptor);
    return;
  }
  const std::string_view read(buffer, static_cast<size_t>(size));
  for (size_t at = read.find(kHeadEnd); at != std::string_view::npos;
       at = read.find(kHeadEnd, at + kHeadEnd.size())) {
    const std::string& response = read.starts_with("GET /large") ? large_response : short_response;
    send(descriptor, response.data(), response.size(), MSG_NOSIGNAL);
  }
  if (read.find("Connection: close") != std::string_view::npos) close(descriptor);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 1024) != 0) {
    std::perror("listen");
    return 1;
  }
  const std::string short_response = ResponseOf(1024);
  const std::string large_response = ResponseOf(10 << 20);
  epoll = epoll_create1(0);
  Watch(listener);
  epoll_event events[kEventsMax];
  for (;;) {
    const int count = epoll_wait(epoll, events, kEventsMax, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == listener) {
        const int client = accept(listener, nullptr, nullptr);
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Watch(client);
      } else {
        Answer(events[i].data.fd, short_response, large_response);
      }
    }
  }
}

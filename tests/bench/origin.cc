// The origin: answers every request with 1 KiB, or 10 MiB where the path is /large, as cheaply as
// can be, so that it is the proxies in front of it that are busy. A request with a body (of a
// stated length) is answered when all of it has come, and bodies are of one letter: nothing in them
// looks like a head's end. For benchmarks only.
//
//     origin PORT
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

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

// What of a request's body is still to come, by descriptor.
std::vector<size_t> body_left(64 * 1024);

size_t ContentLength(std::string_view head) {
  constexpr std::string_view kName = "\r\ncontent-length:";
  for (size_t at = 0; (at = head.find("\r\n", at)) != std::string_view::npos; at += 2) {
    if (head.size() - at > kName.size() &&
        strncasecmp(&head[at], kName.data(), kName.size()) == 0) {
      return std::strtoul(&head[at + kName.size()], nullptr, 10);
    }
  }
  return 0;
}

void Send(int descriptor, const std::string& response) {
  send(descriptor, response.data(), response.size(), MSG_NOSIGNAL);
}

// The kernel throws the bytes away.
void SkipBody(int descriptor, size_t& left, const std::string& response) {
  const ssize_t size = recv(descriptor, nullptr, left, MSG_DONTWAIT | MSG_TRUNC);
  if (size <= 0) {
    left = 0;
    close(descriptor);
    return;
  }
  left -= static_cast<size_t>(size);
  if (left == 0) Send(descriptor, response);
}

// A head always comes in one piece here: senders write it at once and it is short.
void Answer(int descriptor, const std::string& short_response, const std::string& large_response) {
  size_t& left = body_left[static_cast<size_t>(descriptor)];
  if (left > 0) {
    SkipBody(descriptor, left, short_response);
    return;
  }
  const ssize_t size = recv(descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size <= 0) {
    close(descriptor);
    return;
  }
  const std::string_view read(buffer, static_cast<size_t>(size));
  for (size_t at = 0, end; (end = read.find(kHeadEnd, at)) != std::string_view::npos;) {
    const std::string_view head = read.substr(at, end - at);
    const size_t length = ContentLength(head);
    const size_t there = std::min(length, read.size() - end - kHeadEnd.size());
    left = length - there;
    if (left > 0) return;
    Send(descriptor, head.starts_with("GET /large") ? large_response : short_response);
    at = end + kHeadEnd.size() + there;
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

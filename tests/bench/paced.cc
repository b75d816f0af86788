// A load at a constant rate over kept connections. What a request takes is counted from when it was due, not from
// when a connection was free for it, so that a stall is seen by all that it delays. For benchmarks only.
//
//     paced PORT PATH CONNECTIONS REQUESTS_A_SECOND SECONDS
//
// Prints "REQUESTS P50 P90 P99 P99.9 MAX", times in microseconds. Every answer must be 200 with the bytes of the
// first; anything else ends it with status 1.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kWarmUp = kSecond / 2;  // Not counted.
constexpr int64_t kPatience = 5 * kSecond;  // For the last answers.

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "paced: %s\n", what);
  std::exit(1);
}

struct Connection {
  int descriptor = -1;
  int64_t due = 0;  // Of the request under way.
  std::string received;
};

size_t answer_bytes = 0;  // Of a whole answer, once one has come.

// A number after `name` in a head.
size_t LengthIn(std::string_view head) {
  constexpr std::string_view kName = "Content-Length: ";
  const size_t at = head.find(kName);
  if (at == std::string_view::npos) Fail("an answer without Content-Length");
  return std::strtoul(head.data() + at + kName.size(), nullptr, 10);
}

// Whether the answer is whole now.
bool Receive(Connection& connection) {
  char buffer[16 * 1024];
  const ssize_t got = recv(connection.descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got == 0) Fail("a connection was closed");
  if (got < 0) return false;
  connection.received.append(buffer, static_cast<size_t>(got));
  const std::string_view received = connection.received;
  const size_t head = received.find("\r\n\r\n");
  if (head == std::string_view::npos) return false;
  if (!received.starts_with("HTTP/1.1 200 ")) Fail("an answer is not 200");
  const size_t whole = head + 4 + LengthIn(received.substr(0, head + 4));
  if (received.size() < whole) return false;
  if (received.size() > whole) Fail("more than was asked for");
  if (answer_bytes == 0) answer_bytes = received.size() - head;
  if (answer_bytes != received.size() - head) Fail("an answer of another length");
  connection.received.clear();
  return true;
}

int Connect(uint16_t port, int epoll, size_t index) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Fail("can't connect");
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
  return descriptor;
}

void Print(std::vector<int64_t> times) {
  if (times.empty()) Fail("nothing was counted");
  std::sort(times.begin(), times.end());
  std::printf("%zu", times.size());
  for (const double share : {0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto index = static_cast<size_t>(share * static_cast<double>(times.size() - 1));
    std::printf(" %.1f", static_cast<double>(times[index]) / 1000);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Fail("PORT PATH CONNECTIONS REQUESTS_A_SECOND SECONDS");
  const auto port = static_cast<uint16_t>(std::atoi(argv[1]));
  const std::string request =
      std::string("GET ") + argv[2] + " HTTP/1.1\r\nHost: bench\r\nUser-Agent: paced\r\n\r\n";
  const double rate = std::atof(argv[4]);
  if (rate < 1) Fail("a rate of at least 1");
  const int64_t length = kWarmUp + std::atoll(argv[5]) * kSecond;
  prctl(PR_SET_TIMERSLACK, 1UL);

  const int epoll = epoll_create1(0);
  std::vector<Connection> connections(static_cast<size_t>(std::atoi(argv[3])));
  std::deque<size_t> free;  // The one that waits longest is next.
  for (size_t i = 0; i < connections.size(); ++i) {
    connections[i].descriptor = Connect(port, epoll, i);
    free.push_back(i);
  }

  const int64_t begin = Now();
  const auto total = static_cast<int64_t>(static_cast<double>(length) / kSecond * rate);
  const auto due_of = [&](int64_t number) {
    return begin + static_cast<int64_t>(static_cast<double>(number) * kSecond / rate);
  };
  std::vector<int64_t> times;
  times.reserve(static_cast<size_t>(total));
  int64_t sent = 0;
  int64_t answered = 0;
  while (answered < total) {
    int64_t now = Now();
    if (now > begin + length + kPatience) Fail("answers are missing");
    while (sent < total && !free.empty() && due_of(sent) <= now) {
      Connection& connection = connections[free.front()];
      free.pop_front();
      connection.due = due_of(sent++);
      send(connection.descriptor, request.data(), request.size(), MSG_NOSIGNAL);
    }
    now = Now();
    const bool due_known = sent < total && !free.empty();
    const int64_t wait = due_known ? std::max<int64_t>(0, due_of(sent) - now) : kSecond;
    const timespec timeout{.tv_sec = wait / kSecond, .tv_nsec = wait % kSecond};
    epoll_event events[64];
    const int count = epoll_pwait2(epoll, events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) {
      Connection& connection = connections[events[i].data.u64];
      if (!Receive(connection)) continue;
      ++answered;
      if (connection.due >= begin + kWarmUp) times.push_back(Now() - connection.due);
      free.push_back(events[i].data.u64);
    }
  }
  Print(std::move(times));
}

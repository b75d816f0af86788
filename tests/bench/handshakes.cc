// A TLS client that never resumes a session: every request is one connection with a full handshake. For benchmarks
// only.
//
//     handshakes PORT PATH CONNECTIONS SECONDS
//
// Prints "REQUESTS SECONDS". Every answer must be 200 over TLS 1.3; anything else ends it with status 1.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "answer.h"

namespace {

double Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "handshakes: %s\n", what);
  std::exit(1);
}

struct Client {
  int descriptor = -1;
  SSL* ssl = nullptr;
  bool asked = false;
  std::string received;
};

int epoll = -1;
SSL_CTX* context = nullptr;
sockaddr_in address{};
std::string request;

void Connect(Client& client) {
  client.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(client.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(client.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    Fail("can't connect");
  }
  client.ssl = SSL_new(context);
  SSL_set_fd(client.ssl, client.descriptor);
  SSL_set_tlsext_host_name(client.ssl, "bench");
  SSL_set_connect_state(client.ssl);
  client.asked = false;
  client.received.clear();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.ptr = &client;
  epoll_ctl(epoll, EPOLL_CTL_ADD, client.descriptor, &event);
}

void Close(Client& client) {
  SSL_free(client.ssl);
  close(client.descriptor);
}

// Goes on as far as it can; true when the exchange is done.
bool Advance(Client& client) {
  if (!client.asked) {
    const int result = SSL_do_handshake(client.ssl);
    if (result != 1) {
      const int error = SSL_get_error(client.ssl, result);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) Fail("a handshake failed");
      return false;
    }
    if (SSL_session_reused(client.ssl) == 1) Fail("a session was resumed");
    if (SSL_version(client.ssl) != TLS1_3_VERSION) Fail("it is not TLS 1.3");
    SSL_write(client.ssl, request.data(), static_cast<int>(request.size()));
    client.asked = true;
  }
  char buffer[16 * 1024];
  for (;;) {
    const int got = SSL_read(client.ssl, buffer, sizeof buffer);
    if (got <= 0) {
      if (SSL_get_error(client.ssl, got) != SSL_ERROR_WANT_READ) Fail("an answer was cut off");
      return false;
    }
    client.received.append(buffer, static_cast<size_t>(got));
    const size_t size = AnswerSize(client.received);
    if (size == 0 || client.received.size() < size) continue;
    if (!client.received.starts_with("HTTP/1.1 200 ")) Fail("an answer is not 200");
    return true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) Fail("PORT PATH CONNECTIONS SECONDS");
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[1])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  request = std::string("GET ") + argv[2] + " HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  epoll = epoll_create1(0);

  std::vector<Client> clients(static_cast<size_t>(std::atoi(argv[3])));
  const double begin = Now();
  const double end = begin + std::atof(argv[4]);
  for (Client& client : clients) Connect(client);
  uint64_t done = 0;
  size_t open = clients.size();
  while (open > 0) {
    epoll_event events[64];
    const int count = epoll_wait(epoll, events, 64, 5000);
    if (count == 0) Fail("answers are missing");
    for (int i = 0; i < count; ++i) {
      Client& client = *static_cast<Client*>(events[i].data.ptr);
      if (!Advance(client)) continue;
      ++done;
      Close(client);
      if (Now() < end) {
        Connect(client);
      } else {
        --open;
      }
    }
  }
  std::printf("%llu %.6f\n", static_cast<unsigned long long>(done), Now() - begin);
}

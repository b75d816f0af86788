// A connection of HTTP/2, either side of it, over a socket: whatever the peer sends, in pieces of
// any size, exchanges come to an end, and with them the connection; what is handed on is a message
// that HTTP/1.1 can carry.
//
// The first byte of the input: bit 0 says which side we are, the others how long the pieces are.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "data-plane/net/tcp_stream.h"
#include "data-plane/session/h2_client.h"
#include "data-plane/session/h2_server.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/written_again.h"

namespace apk {
namespace {

constexpr std::string_view kPreface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
constexpr std::string_view kNoSettings("\0\0\0\4\0\0\0\0\0", 9);
constexpr int kRequests = 3;  // Of a client.

void CheckFields(const HeaderMap& headers) {
  for (size_t i = 0; i < headers.size(); ++i) {
    Require(IsToken(headers.name(i)) && IsFieldValue(headers.value(i)), "a field is one");
  }
}

void CheckRequest(const RequestHead& head) {
  if (head.websocket) return;  // A GET by now, of which the backend's own handshake is made.
  HeadLimits limits;
  limits.head_bytes_max *= 2;
  limits.request_line_bytes_max = limits.head_bytes_max;
  limits.fields_max += 4;
  const std::string written = WriteOneHead(head, limits);
  if (head.method != "CONNECT") CheckReadAgain(written, head, limits);
}

// The other end of a connection, and what runs at ours.
struct Loop {
  asio::io_context io{1};
  DeadlineList deadlines;
  int peer = -1;
  int exchanges = 0;
  int connections = 0;

  std::unique_ptr<ByteStream> Connect() {
    int pair[2];
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0,
            "sockets can be made");
    peer = pair[1];
    TcpSocket socket(io.get_executor());
    socket.assign(asio::ip::tcp::v4(), pair[0]);
    return std::make_unique<TcpStream>(std::move(socket), deadlines);
  }

  // Both sides go on as far as they can.
  void Turn() {
    char taken[16 * 1024];
    for (bool moved = true; moved;) {
      io.restart();
      moved = io.poll() > 0;
      while (recv(peer, taken, sizeof(taken), 0) > 0) moved = true;
    }
  }

  void Feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // It has hung up, or reads no more.
      bytes.remove_prefix(static_cast<size_t>(sent));
      Turn();
    }
  }

  void FeedInPieces(std::string_view bytes, size_t size) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) {
      Feed(bytes.substr(0, size));
    }
  }

  void End() {
    shutdown(peer, SHUT_WR);
    Turn();
    for (int round = 0; round < 4 && exchanges + connections > 0; ++round) {
      deadlines.ExpireAll();
      Turn();
    }
    Require(exchanges == 0, "an exchange ends with its connection");
    Require(connections == 0, "a connection ends with its peer");
    close(peer);
  }
};

template <class Exchange>
Task<uint64_t> ReadBody(Exchange* exchange, bool* whole) {
  uint64_t bytes = 0;
  for (;;) {
    const BodySlice slice = exchange->NextBody();
    bytes += slice.data.size();
    if (slice.trailers != nullptr) CheckFields(*slice.trailers);
    *whole = slice.done && !slice.failed;
    if (slice.done || slice.failed) co_return bytes;
    if (!slice.wait) continue;
    const bool filled = co_await exchange->FillBody();
    if (!filled) co_return bytes;
  }
}

void CheckLength(const BodyFraming& framing, uint64_t bytes) {
  Require(framing.kind != BodyFraming::Kind::kLength || bytes == framing.length,
          "a body is as long as said");
  Require(framing.kind != BodyFraming::Kind::kNone || bytes == 0, "no body where none is said");
}

template <class Exchange>
Task<> WriteBody(Exchange* exchange, std::string_view body) {
  if (exchange->WriteBody(body, true) == WriteStatus::kAgain) co_await exchange->Flush();
}

Task<> Answer(Loop* loop, std::unique_ptr<H2ServerExchange> exchange) {
  ++loop->exchanges;
  bool whole = false;
  if (exchange->refusal() == 0) {
    const RequestHead& request = exchange->request();
    CheckRequest(request);
    exchange->WriteContinue();
    const uint64_t bytes = co_await ReadBody(exchange.get(), &whole);
    if (whole && !request.websocket) CheckLength(request.framing, bytes);
  }
  ResponseHead& head = exchange->response();
  head.Clear();
  head.status = exchange->refusal() == 0 ? 200 : exchange->refusal();
  head.framing.kind = BodyFraming::Kind::kChunked;
  exchange->WriteHead(head);
  const std::string body(whole ? 100'000 : 10, 'x');
  co_await WriteBody(exchange.get(), body);
  co_await exchange->ReadRestAway();
  exchange.reset();
  --loop->exchanges;
}

Task<> Ask(Loop* loop, H2ClientConnection* connection, bool with_body) {
  ++loop->exchanges;
  RequestHead request;
  request.Clear();
  request.method = with_body ? "POST" : "GET";
  request.path = "/";
  if (with_body) request.framing.kind = BodyFraming::Kind::kChunked;
  OutgoingRequest outgoing;
  outgoing.head = &request;
  outgoing.host = "h";
  std::unique_ptr<H2ClientExchange> exchange = connection->Open();
  exchange->WriteHead(outgoing);
  const std::string body(with_body ? 100'000 : 0, 'x');
  co_await WriteBody(exchange.get(), body);
  ResponseHead head;
  ClientExchange::HeadResult result = ClientExchange::HeadResult::kOk;
  do {
    result = co_await exchange->ReadHead(head);
    if (result != ClientExchange::HeadResult::kOk) break;
    Require(head.status >= 100 && head.status <= 599, "a status is one");
    CheckFields(head.headers);
  } while (head.status < 200);
  if (result == ClientExchange::HeadResult::kOk) {
    bool whole = false;
    const uint64_t bytes = co_await ReadBody(exchange.get(), &whole);
    if (whole) CheckLength(head.framing, bytes);
  }
  exchange.reset();
  --loop->exchanges;
}

template <class Connection>
Task<> Run(Loop* loop, std::shared_ptr<Connection> connection) {
  ++loop->connections;
  co_await connection->Run(std::string());
  --loop->connections;
}

void Check(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool client = (bytes[0] & 1) != 0;
  const size_t piece = size_t{1} << (static_cast<unsigned char>(bytes[0]) >> 1 & 15);
  bytes.remove_prefix(1);
  const H2Limits limits;
  const SessionLimits session_limits;
  Loop loop;
  std::unique_ptr<ByteStream> stream = loop.Connect();
  if (client) {
    const auto connection = std::make_shared<H2ClientConnection>(
        loop.io.get_executor(), std::move(stream), loop.deadlines, limits, false);
    for (int i = 0; i < kRequests; ++i) {
      asio::co_spawn(loop.io, Ask(&loop, connection.get(), i == 1), Detached());
    }
    asio::co_spawn(loop.io, Run(&loop, connection), Detached());
    loop.Feed(kNoSettings);
    loop.FeedInPieces(bytes, piece);
    loop.End();
    return;
  }
  H2ServerConnection::Serve serve = [&loop](std::unique_ptr<H2ServerExchange> exchange) {
    asio::co_spawn(loop.io, Answer(&loop, std::move(exchange)), Detached());
  };
  const auto connection = std::make_shared<H2ServerConnection>(
      loop.io.get_executor(), std::move(stream), loop.deadlines, limits, session_limits,
      "127.0.0.1", false, std::move(serve));
  asio::co_spawn(loop.io, Run(&loop, connection), Detached());
  loop.Feed(kPreface);
  loop.Feed(kNoSettings);
  loop.FeedInPieces(bytes, piece);
  loop.End();
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

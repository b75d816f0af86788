// The kernel keeps the bytes: whoever reads next gets the hello whole.
#include "data-plane/net/peek_server_name.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "data-plane/net/client_hello.h"

namespace apk {
namespace {

// Its records have headers, and most clients send fewer than two.
constexpr size_t kPeekBytesMax = kClientHelloBytesMax + 256;

}  // namespace

Task<std::optional<std::string>> PeekServerName(TcpStream* stream) {
  PolledSocket& socket = stream->socket();
  std::string bytes(2048, '\0');
  for (;;) {
    if (!socket.readable) {
      const auto [error] = co_await WaitFor(&socket.read_waiter);
      if (error) co_return std::nullopt;
    }
    if (socket.descriptor < 0) co_return std::nullopt;
    const ssize_t peeked = recv(socket.descriptor, bytes.data(), bytes.size(), MSG_PEEK);
    if (peeked < 0 && errno != EAGAIN && errno != EWOULDBLOCK) co_return std::nullopt;
    if (peeked == 0) co_return std::nullopt;
    const size_t size = peeked < 0 ? 0 : static_cast<size_t>(peeked);
    ClientHello hello = ParseClientHello(std::string_view(bytes).substr(0, size));
    if (hello.state == ClientHello::State::kComplete) co_return std::move(hello.server_name);
    if (hello.state == ClientHello::State::kMalformed) co_return std::nullopt;
    if (size == bytes.size()) {
      if (size >= kPeekBytesMax) co_return std::nullopt;
      bytes.resize(std::min(size * 2, kPeekBytesMax));
      continue;
    }
    // More is an event of its own; after the end there will be none.
    if (socket.ended) co_return std::nullopt;
    socket.readable = false;
  }
}

}  // namespace apk

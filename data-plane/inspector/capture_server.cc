// Read, keep, answer; once over TCP and once over TLS.
#include "data-plane/inspector/capture_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <utility>

#include "data-plane/inspector/connection.h"

namespace apk::inspector {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::string SourceText(const tcp::socket& socket) {
  boost::system::error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return "unknown";
  const std::string address = peer.address().to_string();
  return peer.address().is_v6() ? Concat("[", address, "]:", std::to_string(peer.port()))
                                : Concat(address, ":", std::to_string(peer.port()));
}

Reply CaptureReply(const absl::Status& captured) {
  Reply reply;
  if (captured.ok()) return reply;
  const bool full = captured.code() == absl::StatusCode::kResourceExhausted;
  return ErrorReply(full ? 503 : 404, std::string(captured.message()));
}

template <class Stream>
asio::awaitable<void> ServeRequests(Stream& stream, Bins& bins, std::string source, bool tls) {
  boost::beast::flat_buffer buffer;
  for (bool keep_alive = true; keep_alive;) {
    RequestReader reader;
    const ReadResult result = co_await ReadRequest(stream, buffer, reader);
    if (result == ReadResult::kClosed) co_return;
    if (result == ReadResult::kMalformed) {
      std::string refusal = Serialize(ErrorReply(400, "this is no HTTP/1 request"), false, false);
      co_await WriteBytes(stream, std::move(refusal));
      co_return;
    }
    keep_alive = reader.keep_alive();
    CapturedRequest request = reader.Take();
    request.received_at = SystemClock().WallNow();
    request.source = source;
    request.tls = tls;
    const bool head = request.method == "HEAD";
    std::string answer =
        Serialize(CaptureReply(bins.Capture(std::move(request))), keep_alive, head);
    const bool written = co_await WriteBytes(stream, std::move(answer));
    if (!written) co_return;
  }
}

}  // namespace

asio::awaitable<void> CaptureServer::Serve(tcp::socket socket) {
  std::string source = SourceText(socket);
  boost::beast::tcp_stream stream(std::move(socket));
  if (tls_ == nullptr) {
    co_await ServeRequests(stream, bins_, std::move(source), false);
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  } else {
    boost::beast::ssl_stream<boost::beast::tcp_stream> secured(std::move(stream), *tls_);
    boost::beast::get_lowest_layer(secured).expires_after(kIdleMax);
    const auto [error] = co_await secured.async_handshake(asio::ssl::stream_base::server, kTuple);
    if (!error) {
      co_await ServeRequests(secured, bins_, std::move(source), true);
      boost::beast::get_lowest_layer(secured).expires_after(kWriteTimeMax);
      co_await secured.async_shutdown(kTuple);
    }
  }
  --connections_;
}

asio::awaitable<void> CaptureServer::Run() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kTuple);
    if (error || connections_ >= kConnectionsMax) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    ++connections_;
    asio::co_spawn(acceptor_.get_executor(), Serve(std::move(socket)), asio::detached);
  }
}

}  // namespace apk::inspector

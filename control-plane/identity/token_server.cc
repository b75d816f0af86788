// Beast over Asio's TLS stream: a slow path where clarity counts more than speed.
#include "control-plane/identity/token_server.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <ctime>
#include <optional>

#include "common/strings.h"
#include "common/thread.h"

namespace apk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kHeadBytesMax = 16 * 1024;
constexpr size_t kBodyBytesMax = 16 * 1024;
constexpr size_t kConnectionsMax = 256;
constexpr std::chrono::seconds kTimeout{10};

constexpr std::chrono::seconds kFarewell{2};
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr size_t kDiscardBytesMax = 1024 * 1024;

std::string_view View(beast::string_view text) {
  return std::string_view(text.data(), text.size());
}

using Response = http::response<http::string_body>;

Response MakeResponse(const TokenResponse& answer, unsigned version, bool keep_alive) {
  Response response(static_cast<http::status>(answer.status), version);
  for (const auto& [name, value] : answer.headers) response.set(name, value);
  response.keep_alive(keep_alive);
  response.body() = answer.body;
  response.prepare_payload();
  return response;
}

// What is said to a request that can't be read; nullopt where the connection is at fault, and
// nobody would hear it.
std::optional<TokenResponse> AnswerTo(const boost::system::error_code& error) {
  if (error == http::error::body_limit) return UnreadableRequest(413, "The body is too large");
  if (error == http::error::header_limit) return UnreadableRequest(431, "The head is too large");
  const bool ended = error == http::error::end_of_stream || error == http::error::partial_message;
  if (ended || error.category() != http::make_error_code(http::error::bad_method).category()) {
    return std::nullopt;
  }
  return UnreadableRequest(400, "The request is malformed");
}

}  // namespace

class TokenServer::Server {
 public:
  Server(const TokenIssuer& issuer, asio::ssl::context tls)
      : issuer_(issuer), tls_(std::move(tls)), acceptor_(io_) {}
  ~Server() {
    io_.stop();
    thread_.Join();
  }

  boost::system::error_code Listen(const std::string& address, uint16_t port) {
    boost::system::error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(address, error), port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    return error;
  }

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void Run() {
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = Thread("token-issuer", 0, [this] { io_.run(); });
  }

 private:
  using Stream = beast::ssl_stream<beast::tcp_stream>;

  asio::awaitable<void> Accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kAwait);
      if (error == asio::error::operation_aborted) co_return;
      if (error) {  // No file descriptor is free, say: that does not pass at once.
        asio::steady_timer pause(io_, kAcceptPause);
        co_await pause.async_wait(kAwait);
        continue;
      }
      if (connections_ >= kConnectionsMax) continue;
      asio::co_spawn(io_, Serve(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> Serve(tcp::socket socket) {
    ++connections_;
    Stream stream(beast::tcp_stream(std::move(socket)), tls_);
    beast::get_lowest_layer(stream).expires_after(kTimeout);
    const auto [handshake_error] =
        co_await stream.async_handshake(asio::ssl::stream_base::server, kAwait);
    beast::flat_buffer buffer;
    bool more = !handshake_error;
    while (more) more = co_await ServeOne(&stream, &buffer);
    --connections_;
  }

  asio::awaitable<bool> ServeOne(Stream* stream, beast::flat_buffer* buffer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(kBodyBytesMax);
    beast::get_lowest_layer(*stream).expires_after(kTimeout);
    const auto [read_error, read] = co_await http::async_read(*stream, *buffer, parser, kAwait);
    if (read_error) {
      const std::optional<TokenResponse> refusal = AnswerTo(read_error);
      if (refusal.has_value()) co_await Refuse(stream, &*refusal);
      co_return false;
    }
    const auto& message = parser.get();
    TokenRequest request;
    request.method = View(message.method_string());
    request.path = View(message.target()).substr(0, View(message.target()).find('?'));
    request.content_type = View(message[http::field::content_type]);
    request.authorization = View(message[http::field::authorization]);
    request.body = message.body();
    const TokenResponse answer = issuer_.Serve(request, std::time(nullptr));
    Response response = MakeResponse(answer, message.version(), message.keep_alive());
    if (message.method() == http::verb::head) response.body().clear();
    const auto [write_error, written] = co_await http::async_write(*stream, response, kAwait);
    co_return !write_error && message.keep_alive();
  }

  // What is still coming is read and thrown away: closing before that would take the answer away.
  asio::awaitable<void> Refuse(Stream* stream, const TokenResponse* refusal) {
    Response response = MakeResponse(*refusal, 11, false);
    beast::get_lowest_layer(*stream).expires_after(kFarewell);
    const auto [write_error, written] = co_await http::async_write(*stream, response, kAwait);
    if (write_error) co_return;
    std::array<char, 4096> discarded;
    const asio::mutable_buffer space = asio::buffer(discarded);
    for (size_t total = 0; total < kDiscardBytesMax;) {
      const auto [error, read] = co_await stream->async_read_some(space, kAwait);
      if (error) co_return;
      total += read;
    }
  }

  const TokenIssuer& issuer_;
  asio::io_context io_{1};
  asio::ssl::context tls_;
  tcp::acceptor acceptor_;
  size_t connections_ = 0;
  Thread thread_;
};

absl::StatusOr<std::unique_ptr<TokenServer>> TokenServer::Start(const TokenIssuer& issuer,
                                                                const KeyPair& certificate,
                                                                const std::string& address,
                                                                uint16_t port) {
  asio::ssl::context tls(asio::ssl::context::tls_server);
  boost::system::error_code error;
  tls.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  tls.use_certificate_chain(asio::buffer(certificate.certificate_pem), error);
  if (!error) {
    tls.use_private_key(asio::buffer(certificate.key_pem), asio::ssl::context::pem, error);
  }
  if (error) return absl::InternalError(Concat("token issuer's certificate: ", error.message()));
  auto server = std::unique_ptr<TokenServer>(new TokenServer());
  server->server_ = std::make_unique<Server>(issuer, std::move(tls));
  error = server->server_->Listen(address, port);
  if (error) {
    return absl::UnavailableError(
        Concat("can't listen on ", address, ":", std::to_string(port), ": ", error.message()));
  }
  server->port_ = server->server_->port();
  server->server_->Run();
  return server;
}

TokenServer::~TokenServer() = default;

}  // namespace apk

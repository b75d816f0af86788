// Beast over Asio's TLS stream: a slow path where clarity counts more than speed.
#include "control-plane/identity/token_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <optional>

#include "common/status_macros.h"
#include "common/thread.h"
#include "control-plane/https/https_listener.h"

namespace apk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kHeadBytesMax = 16 * 1024;
constexpr size_t kBodyBytesMax = 16 * 1024;
constexpr ConnectionLimits kConnections{.connections = 256, .per_address = 128};
constexpr std::chrono::seconds kTimeout{10};
constexpr size_t kDiscardBytesMax = 1024 * 1024;

std::string_view View(beast::string_view text) {
  return std::string_view(text.data(), text.size());
}

HttpsResponse MakeResponse(const TokenResponse& answer, unsigned version, bool keep_alive) {
  HttpsResponse response(static_cast<http::status>(answer.status), version);
  for (const auto& [name, value] : answer.headers) response.set(name, value);
  response.keep_alive(keep_alive);
  response.body() = answer.body;
  response.prepare_payload();
  return response;
}

// What is said to a request that can't be read; nullopt where the connection is at fault, and
// nobody would hear it.
std::optional<TokenResponse> AnswerTo(Unreadable why) {
  switch (why) {
    case Unreadable::kBodyTooLarge:
      return UnreadableRequest(413, "The body is too large");
    case Unreadable::kHeadTooLarge:
      return UnreadableRequest(431, "The head is too large");
    case Unreadable::kMalformed:
      return UnreadableRequest(400, "The request is malformed");
    case Unreadable::kConnectionEnded:
      break;
  }
  return std::nullopt;
}

}  // namespace

class TokenServer::Server {
 public:
  Server(const TokenIssuer& issuer, asio::ssl::context tls)
      : issuer_(issuer), tls_(std::move(tls)), listener_(io_, kConnections) {}
  ~Server() {
    io_.stop();
    thread_.Join();
  }

  HttpsListener& listener() { return listener_; }

  void Run() {
    listener_.Start([this](tcp::socket socket) { return Serve(std::move(socket)); });
    thread_ = Thread("token-issuer", 0, [this] { io_.run(); });
  }

 private:
  asio::awaitable<void> Serve(tcp::socket socket) {
    HttpsStream stream(beast::tcp_stream(std::move(socket)), tls_);
    beast::get_lowest_layer(stream).expires_after(kTimeout);
    const auto [handshake_error] =
        co_await stream.async_handshake(asio::ssl::stream_base::server, kAwait);
    beast::flat_buffer buffer;
    bool more = !handshake_error;
    while (more) more = co_await ServeOne(&stream, &buffer);
  }

  asio::awaitable<bool> ServeOne(HttpsStream* stream, beast::flat_buffer* buffer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(kBodyBytesMax);
    beast::get_lowest_layer(*stream).expires_after(kTimeout);
    const auto [read_error, read] = co_await http::async_read(*stream, *buffer, parser, kAwait);
    if (read_error) {
      const std::optional<TokenResponse> refusal = AnswerTo(WhyUnreadable(read_error));
      if (!refusal.has_value()) co_return false;
      HttpsResponse response = MakeResponse(*refusal, 11, false);
      co_await RefuseAndDiscard(stream, std::move(response), kDiscardBytesMax);
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
    HttpsResponse response = MakeResponse(answer, message.version(), message.keep_alive());
    if (message.method() == http::verb::head) response.body().clear();
    const auto [write_error, written] = co_await http::async_write(*stream, response, kAwait);
    co_return !write_error && message.keep_alive();
  }

  const TokenIssuer& issuer_;
  asio::io_context io_{1};
  asio::ssl::context tls_;
  HttpsListener listener_;
  Thread thread_;
};

absl::StatusOr<std::unique_ptr<TokenServer>> TokenServer::Start(const TokenIssuer& issuer,
                                                                const KeyPair& certificate,
                                                                const std::string& address,
                                                                uint16_t port) {
  ASSIGN_OR_RETURN(asio::ssl::context tls,
                   MakeServerTls(certificate.certificate_pem, certificate.key_pem));
  auto server = std::unique_ptr<TokenServer>(new TokenServer());
  server->server_ = std::make_unique<Server>(issuer, std::move(tls));
  HttpsListener& listener = server->server_->listener();
  RETURN_IF_ERROR(listener.Listen(address, port));
  server->port_ = listener.port();
  server->server_->Run();
  return server;
}

TokenServer::~TokenServer() = default;

}  // namespace apk

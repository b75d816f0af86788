// Beast over Asio's TLS stream. Limits: connections, bytes of a request, watches, and the time that
// each step may take; a client that doesn't read what it is sent is cut off.
#include "control-plane/kubernetes_api/server.h"

#include <openssl/ssl.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <optional>
#include <set>

#include "common/strings.h"
#include "common/thread.h"
#include "control-plane/identity/certificate_uri.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kHeadBytesMax = 32 * 1024;
constexpr size_t kBodyBytesMax = 3 * 1024 * 1024;  // As the Kubernetes API server has it.
constexpr size_t kConnectionsMax = 256;
constexpr size_t kWatchesMax = 64;
constexpr size_t kWarningsMax = 20;
constexpr size_t kDiscardBytesMax = 8 * 1024 * 1024;
constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::chrono::seconds kReadTimeout{100};  // Longer than clients keep what they don't use.
constexpr std::chrono::seconds kWriteTimeout{60};
constexpr std::chrono::seconds kEventTimeout{10};  // For about 64 KiB of events.
constexpr std::chrono::seconds kBookmarkInterval{60};
constexpr std::chrono::seconds kFarewell{2};
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string Text(beast::string_view text) { return std::string(text.data(), text.size()); }

// A text of a Warning header (RFC 9111 5.5): what would end it is left out.
std::string WarningText(const std::string& text) {
  std::string quoted = "299 - \"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

using Response = http::response<http::string_body>;

Response MakeResponse(ApiReply reply, unsigned version, bool keep_alive) {
  Response response(static_cast<http::status>(reply.status), version);
  response.set(http::field::content_type, reply.content_type);
  response.set(http::field::cache_control, "no-cache, private");
  if (reply.status == 429) response.set(http::field::retry_after, "1");
  for (size_t i = 0; i < reply.warnings.size() && i < kWarningsMax; ++i) {
    response.insert(http::field::warning, WarningText(reply.warnings[i]));
  }
  response.keep_alive(keep_alive);
  response.body() = std::move(reply.body);
  response.prepare_payload();
  return response;
}

ApiRequest ToRequest(http::request<http::string_body>& message, const std::string& user) {
  ApiRequest request;
  request.method = Text(message.method_string());
  request.target = Text(message.target());
  request.accept = Text(message[http::field::accept]);
  request.content_type = Text(message[http::field::content_type]);
  request.user_agent = Text(message[http::field::user_agent]);
  request.user = user;
  request.body = std::move(message.body());
  return request;
}

// What is said to a request that can't be read; nullopt where the connection is at fault.
std::optional<ApiReply> AnswerTo(const boost::system::error_code& error) {
  if (error == http::error::body_limit) {
    return ErrorReply(ApiError(413, "RequestEntityTooLarge", "the body is larger than 3 MiB"));
  }
  if (error == http::error::header_limit) {
    return ErrorReply(ApiError(431, "BadRequest", "the head is larger than 32 KiB"));
  }
  const bool ended = error == http::error::end_of_stream || error == http::error::partial_message;
  if (ended || error.category() != http::make_error_code(http::error::bad_method).category()) {
    return std::nullopt;
  }
  return ErrorReply(ApiError(400, "BadRequest", "the request is malformed"));
}

using Stream = beast::ssl_stream<beast::tcp_stream>;

struct Connection {
  Connection(tcp::socket socket, asio::ssl::context& tls)
      : stream(beast::tcp_stream(std::move(socket)), tls), news(stream.get_executor()) {}
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream); }

  Stream stream;
  beast::flat_buffer buffer;
  std::string user;
  asio::steady_timer news;  // Cancelled when there may be events, or the client has gone.
  bool gone = false;
};

using ConnectionPtr = std::shared_ptr<Connection>;

}  // namespace

class KubernetesServer::Server {
 public:
  Server(KubernetesApi& api, ChangeFeed& feed, asio::ssl::context tls)
      : api_(api), feed_(feed), tls_(std::move(tls)), acceptor_(io_) {}
  ~Server() {
    feed_.OnAppend(nullptr);
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
    feed_.OnAppend([this] { asio::post(io_, [this] { WakeWatches(); }); });
    asio::co_spawn(io_, Accept(), asio::detached);
    thread_ = Thread("kubernetes-api", 0, [this] { io_.run(); });
  }

 private:
  void WakeWatches() {
    for (Connection* const connection : watching_) connection->news.cancel();
  }

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
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      asio::co_spawn(io_, Serve(std::make_shared<Connection>(std::move(socket), tls_)),
                     asio::detached);
    }
  }

  asio::awaitable<void> Serve(ConnectionPtr connection) {
    ++connections_;
    connection->lowest().expires_after(kHandshakeTimeout);
    const auto [handshake_error] =
        co_await connection->stream.async_handshake(asio::ssl::stream_base::server, kAwait);
    const std::unique_ptr<X509, void (*)(X509*)> certificate(
        SSL_get1_peer_certificate(connection->stream.native_handle()), X509_free);
    connection->user = UriOf(certificate.get());
    bool more = !handshake_error;
    while (more) more = co_await ServeOne(connection);
    --connections_;
  }

  asio::awaitable<bool> ServeOne(ConnectionPtr connection) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(kBodyBytesMax);
    connection->lowest().expires_after(kReadTimeout);
    const auto [read_error, read] =
        co_await http::async_read(connection->stream, connection->buffer, parser, kAwait);
    if (read_error) {
      std::optional<ApiReply> refusal = AnswerTo(read_error);
      if (refusal.has_value()) co_await Refuse(connection, *std::move(refusal));
      co_return false;
    }
    http::request<http::string_body> message = parser.release();
    const bool keep_alive = message.keep_alive();
    const unsigned version = message.version();
    std::variant<ApiReply, std::unique_ptr<Watch>> answer =
        Answer(ToRequest(message, connection->user));
    if (auto* const watch = std::get_if<std::unique_ptr<Watch>>(&answer)) {
      co_await ServeWatch(connection, std::move(*watch));
      co_return false;
    }
    Response response = MakeResponse(std::move(std::get<ApiReply>(answer)), version, keep_alive);
    connection->lowest().expires_after(kWriteTimeout);
    const auto [write_error, written] =
        co_await http::async_write(connection->stream, response, kAwait);
    co_return !write_error && keep_alive;
  }

  std::variant<ApiReply, std::unique_ptr<Watch>> Answer(const ApiRequest& request) {
    if (!request.user.starts_with(kUserUri)) {
      return ErrorReply(
          absl::PermissionDeniedError("this API needs a user's certificate (spiffe://apk/user/…)"));
    }
    std::variant<ApiReply, std::unique_ptr<Watch>> answer = api_.Serve(request);
    if (std::holds_alternative<std::unique_ptr<Watch>>(answer) && watching_.size() >= kWatchesMax) {
      return ErrorReply(absl::ResourceExhaustedError("too many watches at once; try again later"));
    }
    return answer;
  }

  // Ends with the connection: its framing is all that tells the client of the end.
  asio::awaitable<void> ServeWatch(ConnectionPtr connection, std::unique_ptr<Watch> watch) {
    http::response<http::empty_body> head(http::status::ok, 11);
    head.set(http::field::content_type, "application/json");
    head.set(http::field::cache_control, "no-cache, private");
    head.chunked(true);
    head.keep_alive(false);
    http::response_serializer<http::empty_body> serializer(head);
    connection->lowest().expires_after(kWriteTimeout);
    const auto [head_error, head_written] =
        co_await http::async_write_header(connection->stream, serializer, kAwait);
    if (head_error) co_return;
    connection->lowest().expires_never();
    asio::co_spawn(io_, NoticeTheEnd(connection), asio::detached);
    watching_.insert(connection.get());
    const Clock::time_point end = Clock::now() + watch->timeout();
    while (!connection->gone && !watch->ended() && Clock::now() < end) {
      std::string events = watch->Next(feed_);
      if (events.empty()) events = co_await Wait(connection, watch.get(), end);
      if (!events.empty() && !co_await WriteChunk(connection, std::move(events))) break;
    }
    watching_.erase(connection.get());
    if (!connection->gone) {
      connection->lowest().expires_after(kFarewell);
      const auto last = http::make_chunk_last();
      co_await asio::async_write(connection->stream, last, kAwait);
    }
    connection->lowest().close();
  }

  // Until there may be events; gives a bookmark where nothing happens for long.
  asio::awaitable<std::string> Wait(ConnectionPtr connection, const Watch* watch,
                                    Clock::time_point end) {
    const Clock::time_point bookmark = Clock::now() + kBookmarkInterval;
    connection->news.expires_at(std::min(bookmark, end));
    const auto [cancelled] = co_await connection->news.async_wait(kAwait);
    co_return cancelled ? "" : watch->Bookmark();
  }

  asio::awaitable<bool> WriteChunk(ConnectionPtr connection, std::string events) {
    connection->lowest().expires_after(kEventTimeout);
    const auto chunk = http::make_chunk(asio::buffer(events));
    const auto [error, written] = co_await asio::async_write(connection->stream, chunk, kAwait);
    co_return !error;
  }

  // Reads beside a watch: a client says nothing while it watches, but for that it goes.
  asio::awaitable<void> NoticeTheEnd(ConnectionPtr connection) {
    std::array<char, 256> nothing;
    const asio::mutable_buffer space = asio::buffer(nothing);
    co_await connection->stream.async_read_some(space, kAwait);
    connection->gone = true;
    connection->news.cancel();
  }

  // What is still coming is read and thrown away: closing before that would take the answer away.
  asio::awaitable<void> Refuse(ConnectionPtr connection, ApiReply refusal) {
    Response response = MakeResponse(std::move(refusal), 11, false);
    connection->lowest().expires_after(kFarewell);
    const auto [write_error, written] =
        co_await http::async_write(connection->stream, response, kAwait);
    if (write_error) co_return;
    std::array<char, 4096> discarded;
    const asio::mutable_buffer space = asio::buffer(discarded);
    for (size_t total = 0; total < kDiscardBytesMax;) {
      const auto [error, count] = co_await connection->stream.async_read_some(space, kAwait);
      if (error) co_return;
      total += count;
    }
  }

  KubernetesApi& api_;
  ChangeFeed& feed_;
  asio::io_context io_{1};
  asio::ssl::context tls_;
  tcp::acceptor acceptor_;
  size_t connections_ = 0;
  std::set<Connection*> watching_;
  Thread thread_;
};

absl::StatusOr<std::unique_ptr<KubernetesServer>> KubernetesServer::Start(
    KubernetesApi& api, ChangeFeed& feed, const Identity& identity, const std::string& address,
    uint16_t port) {
  asio::ssl::context tls(asio::ssl::context::tls_server);
  boost::system::error_code error;
  const KeyPair& pair = identity.server;
  const std::string& authority = identity.authority->certificate_pem();
  tls.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  if (!error) tls.use_certificate_chain(asio::buffer(pair.certificate_pem), error);
  if (!error) tls.use_private_key(asio::buffer(pair.key_pem), asio::ssl::context::pem, error);
  if (!error) tls.add_certificate_authority(asio::buffer(authority), error);
  if (!error) {
    tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  }
  // Resumed sessions would carry no certificate.
  SSL_CTX_set_session_cache_mode(tls.native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(tls.native_handle(), SSL_OP_NO_TICKET);
  if (error) return absl::InternalError(Concat("Kubernetes API's certificate: ", error.message()));
  auto server = std::unique_ptr<KubernetesServer>(new KubernetesServer());
  server->server_ = std::make_unique<Server>(api, feed, std::move(tls));
  error = server->server_->Listen(address, port);
  if (error) {
    return absl::UnavailableError(
        Concat("can't listen on ", address, ":", std::to_string(port), ": ", error.message()));
  }
  server->port_ = server->server_->port();
  server->server_->Run();
  return server;
}

KubernetesServer::~KubernetesServer() = default;

}  // namespace apk

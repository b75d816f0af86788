// Beast over Asio's TLS stream. Limits: connections, bytes of a request, watches, and the time that
// each step may take; a client that doesn't read what it is sent is cut off.
#include "control-plane/kubernetes_api/server.h"

#include <absl/cleanup/cleanup.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <ctime>
#include <optional>
#include <set>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/thread.h"
#include "control-plane/https/https_listener.h"
#include "control-plane/identity/peer_certificate.h"

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

HttpsResponse MakeResponse(ApiReply reply, unsigned version, bool keep_alive) {
  HttpsResponse response(static_cast<http::status>(reply.status), version);
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

// As "127.0.0.1:40312" or "[::1]:40312"; "" of a connection that has ended.
std::string AddressOf(const tcp::socket& socket) {
  boost::system::error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return "";
  const std::string host = peer.address().to_string();
  return Concat(peer.address().is_v6() ? Concat("[", host, "]") : host, ":",
                std::to_string(peer.port()));
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
std::optional<ApiReply> AnswerTo(Unreadable why) {
  switch (why) {
    case Unreadable::kBodyTooLarge:
      return ErrorReply(ApiError(413, "RequestEntityTooLarge", "the body is larger than 3 MiB"));
    case Unreadable::kHeadTooLarge:
      return ErrorReply(ApiError(431, "BadRequest", "the head is larger than 32 KiB"));
    case Unreadable::kMalformed:
      return ErrorReply(ApiError(400, "BadRequest", "the request is malformed"));
    case Unreadable::kConnectionEnded:
      break;
  }
  return std::nullopt;
}

struct Connection {
  Connection(tcp::socket socket, std::shared_ptr<asio::ssl::context> tls_of_it)
      : tls(std::move(tls_of_it)),
        stream(beast::tcp_stream(std::move(socket)), *tls),
        news(stream.get_executor()) {}
  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream); }

  const std::shared_ptr<asio::ssl::context> tls;  // That it began with.
  HttpsStream stream;
  beast::flat_buffer buffer;
  PeerCertificate peer;
  asio::steady_timer news;  // Cancelled when there may be events, or the client has gone.
  bool gone = false;
};

using ConnectionPtr = std::shared_ptr<Connection>;

absl::StatusOr<asio::ssl::context> MakeTls(const KeyPair& server, const std::string& trust_pem) {
  ASSIGN_OR_RETURN(asio::ssl::context tls, MakeServerTls(server.certificate_pem, server.key_pem));
  boost::system::error_code error;
  tls.add_certificate_authority(asio::buffer(trust_pem), error);
  if (!error) {
    tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  }
  if (error) return absl::InternalError(Concat("the authority's certificate: ", error.message()));
  // Resumed sessions would carry no certificate.
  SSL_CTX_set_session_cache_mode(tls.native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(tls.native_handle(), SSL_OP_NO_TICKET);
  return tls;
}

// What a new connection begins with: made anew when the server's certificate is another one.
class TlsSource {
 public:
  static absl::StatusOr<std::unique_ptr<TlsSource>> Open(const Identity& identity) {
    auto source = std::make_unique<TlsSource>();
    source->certificate_ = identity.server;
    source->trust_pem_ = identity.trust_pem;
    RETURN_IF_ERROR(source->Renew());
    return source;
  }

  std::shared_ptr<asio::ssl::context> Current() {
    Renew().IgnoreError();  // Its files were checked: then the one before is as good as any.
    return tls_;
  }

 private:
  absl::Status Renew() {
    std::shared_ptr<const KeyPair> now = certificate_->Current();
    if (now == shown_) return absl::OkStatus();
    ASSIGN_OR_RETURN(asio::ssl::context tls, MakeTls(*now, trust_pem_));
    tls_ = std::make_shared<asio::ssl::context>(std::move(tls));
    shown_ = std::move(now);
    return absl::OkStatus();
  }

  std::shared_ptr<ServedCertificate> certificate_;
  std::string trust_pem_;
  std::shared_ptr<const KeyPair> shown_;
  std::shared_ptr<asio::ssl::context> tls_;
};

}  // namespace

class KubernetesServer::Server {
 public:
  Server(KubernetesApi& api, ChangeFeed& feed, IdentityWatch& identities,
         std::unique_ptr<TlsSource> tls)
      : api_(api),
        feed_(feed),
        identities_(identities),
        tls_(std::move(tls)),
        listener_(io_, kConnectionsMax) {}
  ~Server() {
    identities_.Unwatch(judge_);
    feed_.OnAppend(nullptr);
    io_.stop();
    thread_.Join();
  }

  HttpsListener& listener() { return listener_; }

  void Run() {
    feed_.OnAppend([this] { asio::post(io_, [this] { WakeWatches(); }); });
    judge_ = identities_.Watch([this] { asio::post(io_, [this] { EndRefusedWatches(); }); });
    listener_.Start([this](tcp::socket socket) {
      return Serve(std::make_shared<Connection>(std::move(socket), tls_->Current()));
    });
    thread_ = Thread("kubernetes-api", 0, [this] { io_.run(); });
  }

 private:
  void WakeWatches() {
    for (Connection* const connection : watching_) connection->news.cancel();
  }

  void EndRefusedWatches() {
    for (Connection* const connection : watching_) {
      if (!LetIn(*connection).ok()) connection->news.cancel();
    }
  }

  // Users alone, and while they are not revoked: a connection may outlast its rights.
  absl::Status LetIn(const Connection& connection) const {
    if (!connection.peer.IsUser()) {
      return absl::PermissionDeniedError(
          "this API needs a user's certificate (spiffe://apk/user/…)");
    }
    return identities_.ledger().Check(connection.peer, std::time(nullptr));
  }

  asio::awaitable<void> Serve(ConnectionPtr connection) {
    connection->lowest().expires_after(kHandshakeTimeout);
    const auto [handshake_error] =
        co_await connection->stream.async_handshake(asio::ssl::stream_base::server, kAwait);
    const std::unique_ptr<X509, void (*)(X509*)> certificate(
        SSL_get1_peer_certificate(connection->stream.native_handle()), X509_free);
    connection->peer = PeerOf(certificate.get(), identities_.ledger().trust_domain());
    bool more = !handshake_error;
    while (more) more = co_await ServeOne(connection);
  }

  asio::awaitable<bool> ServeOne(ConnectionPtr connection) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(kBodyBytesMax);
    connection->lowest().expires_after(kReadTimeout);
    const auto [read_error, read] =
        co_await http::async_read(connection->stream, connection->buffer, parser, kAwait);
    if (read_error) {
      std::optional<ApiReply> refusal = AnswerTo(WhyUnreadable(read_error));
      if (!refusal.has_value()) co_return false;
      HttpsResponse response = MakeResponse(*std::move(refusal), 11, false);
      co_await RefuseAndDiscard(&connection->stream, std::move(response), kDiscardBytesMax);
      co_return false;
    }
    http::request<http::string_body> message = parser.release();
    const bool keep_alive = message.keep_alive();
    const unsigned version = message.version();
    const bool is_head = message.method() == http::verb::head;
    std::variant<ApiReply, std::unique_ptr<Watch>> answer =
        Answer(*connection, ToRequest(message, connection->peer.uri));
    if (auto* const watch = std::get_if<std::unique_ptr<Watch>>(&answer)) {
      co_await ServeWatch(connection, std::move(*watch));
      co_return false;
    }
    HttpsResponse response =
        MakeResponse(std::move(std::get<ApiReply>(answer)), version, keep_alive);
    if (is_head) response.body().clear();  // Its length is said all the same.
    connection->lowest().expires_after(kWriteTimeout);
    const auto [write_error, written] =
        co_await http::async_write(connection->stream, response, kAwait);
    co_return !write_error && keep_alive;
  }

  std::variant<ApiReply, std::unique_ptr<Watch>> Answer(Connection& connection,
                                                        ApiRequest request) {
    request.address = AddressOf(connection.lowest().socket());
    if (const absl::Status let_in = LetIn(connection); !let_in.ok()) {
      return api_.Refuse(request, let_in);
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
    const absl::Cleanup watched = [this, watching = connection.get()] {
      watching_.erase(watching);
    };
    const Clock::time_point end = Clock::now() + watch->timeout();
    while (!connection->gone && !watch->ended() && Clock::now() < end && LetIn(*connection).ok()) {
      std::string events = watch->Next(feed_);
      if (events.empty()) events = co_await Wait(connection, watch.get(), end);
      if (!events.empty() && !co_await WriteChunk(connection, std::move(events))) break;
    }
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

  KubernetesApi& api_;
  ChangeFeed& feed_;
  IdentityWatch& identities_;
  int judge_ = 0;
  asio::io_context io_{1};
  const std::unique_ptr<TlsSource> tls_;
  HttpsListener listener_;
  std::set<Connection*> watching_;
  Thread thread_;
};

absl::StatusOr<std::unique_ptr<KubernetesServer>> KubernetesServer::Start(
    KubernetesApi& api, ChangeFeed& feed, IdentityWatch& identities, const Identity& identity,
    const std::string& address, uint16_t port) {
  ASSIGN_OR_RETURN(std::unique_ptr<TlsSource> tls, TlsSource::Open(identity));
  auto server = std::unique_ptr<KubernetesServer>(new KubernetesServer());
  server->server_ = std::make_unique<Server>(api, feed, identities, std::move(tls));
  HttpsListener& listener = server->server_->listener();
  RETURN_IF_ERROR(listener.Listen(address, port));
  server->port_ = listener.port();
  server->server_->Run();
  return server;
}

KubernetesServer::~KubernetesServer() = default;

}  // namespace apk

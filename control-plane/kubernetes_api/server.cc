// Beast over Asio's TLS stream. Limits: connections, bytes of a request, watches, and the time that
// each step may take; a client that doesn't read what it is sent is cut off. What may wait for the
// store does so on threads of its own: those that change something wait for each other anyway.
#include "control-plane/kubernetes_api/server.h"

#include <absl/cleanup/cleanup.h>
#include <openssl/ssl.h>

#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <ctime>
#include <optional>
#include <set>

#include "common/clock.h"
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

using Call = Limits::Call;
using Answer = std::variant<ApiReply, std::unique_ptr<Watch>>;
using Parser = http::request_parser<http::string_body>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kHeadBytesMax = 32 * 1024;
constexpr size_t kBodyBytesMax = 3 * 1024 * 1024;  // As the Kubernetes API server has it.
constexpr size_t kConnectionsMax = 256;
constexpr size_t kWatchesMax = 192;  // Of all users.
constexpr size_t kWarningsMax = 20;
constexpr size_t kDiscardBytesMax = 8 * 1024 * 1024;
constexpr std::chrono::seconds kHandshakeTimeout{10};
constexpr std::chrono::seconds kHeadTimeout{10};   // Of whom nothing is known yet.
constexpr std::chrono::seconds kIdleTimeout{100};  // Longer than clients keep what they don't use.
constexpr std::chrono::seconds kBodyTimeout{60};
constexpr std::chrono::seconds kWriteTimeout{60};
constexpr std::chrono::seconds kEventTimeout{10};  // For about 64 KiB of events.
constexpr std::chrono::seconds kBookmarkInterval{60};
constexpr std::chrono::seconds kFarewell{2};
constexpr std::chrono::seconds kKeysTimeout{12};  // Longer than fetching them takes.
constexpr std::chrono::milliseconds kLookForKeys{20};
constexpr size_t kReadersMax = 16;
constexpr size_t kWritersMax = 4;
constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

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
  if (reply.status == 401) response.set(http::field::www_authenticate, "Bearer realm=\"apk\"");
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

// Without its body.
ApiRequest ToRequest(const http::request<http::string_body>& message) {
  ApiRequest request;
  request.method = Text(message.method_string());
  request.target = Text(message.target());
  request.accept = Text(message[http::field::accept]);
  request.content_type = Text(message[http::field::content_type]);
  request.user_agent = Text(message[http::field::user_agent]);
  return request;
}

void ShowToken(const http::request<http::string_body>& message, Credentials& shown) {
  shown.authorization.reset();
  const auto [first, last] = message.equal_range(http::field::authorization);
  for (auto field = first; field != last; ++field) {
    AddAuthorization({field->value().data(), field->value().size()}, shown.authorization);
  }
}

Call CallOf(const ApiRequest& request) {
  return request.method == "GET" || request.method == "HEAD" ? Call::kRead : Call::kChange;
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
  std::string address;      // Of the client, without its port.
  Credentials shown;        // The certificate of the connection, the token of the request.
  bool known = false;       // It has been somebody's.
  asio::steady_timer news;  // Cancelled when there may be events, or the client has gone.
  bool gone = false;
};

using ConnectionPtr = std::shared_ptr<Connection>;

// A request that another thread answers.
struct Work {
  Work(asio::io_context& io, ApiRequest asked)
      : request(std::move(asked)), done(io, asio::steady_timer::time_point::max()) {}
  ApiRequest request;
  Answer answer;
  asio::steady_timer done;  // Cancelled when there is an answer.
};

// Without `anybody` nobody gets further than the handshake without a certificate.
absl::StatusOr<asio::ssl::context> MakeTls(const KeyPair& server, const std::string& trust_pem,
                                           bool anybody) {
  ASSIGN_OR_RETURN(asio::ssl::context tls, MakeServerTls(server.certificate_pem, server.key_pem));
  boost::system::error_code error;
  tls.add_certificate_authority(asio::buffer(trust_pem), error);
  if (!error) {
    tls.set_verify_mode(
        asio::ssl::verify_peer | (anybody ? 0 : asio::ssl::verify_fail_if_no_peer_cert), error);
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
  static absl::StatusOr<std::unique_ptr<TlsSource>> Open(const Identity& identity, bool anybody) {
    auto source = std::make_unique<TlsSource>();
    source->anybody_ = anybody;
    source->certificate_ = identity.server;
    source->trust_ = identity.trust;
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
    ASSIGN_OR_RETURN(asio::ssl::context tls,
                     MakeTls(*now, trust_->Current()->bundle_pem, anybody_));
    tls_ = std::make_shared<asio::ssl::context>(std::move(tls));
    shown_ = std::move(now);
    return absl::OkStatus();
  }

  std::shared_ptr<ServedCertificate> certificate_;
  std::shared_ptr<TrustInForce> trust_;
  bool anybody_ = false;
  std::shared_ptr<const KeyPair> shown_;
  std::shared_ptr<asio::ssl::context> tls_;
};

}  // namespace

class KubernetesServer::Server {
 public:
  Server(const Uses& uses, std::unique_ptr<TlsSource> tls)
      : api_(uses.api),
        feed_(uses.feed),
        identities_(uses.identities),
        authenticator_(uses.authenticator),
        limits_(uses.limits),
        tls_(std::move(tls)),
        listener_(io_,
                  {.connections = kConnectionsMax,
                   .per_address = std::min(uses.connections_per_address, kConnectionsMax / 2)}) {}
  ~Server() {
    identities_.Unwatch(judge_);
    feed_.OnAppend(nullptr);
    io_.stop();
    thread_.Join();
    for (asio::thread_pool* const threads : {&readers_, &writers_}) {
      threads->stop();  // What they have begun is done.
      threads->join();
    }
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
  absl::StatusOr<Principal> LetIn(const Connection& connection) const {
    return authenticator_.User(connection.shown, std::time(nullptr));
  }

  // The same, with a moment of patience for a key that the identity provider may have begun to use.
  asio::awaitable<absl::StatusOr<Principal>> AskIn(ConnectionPtr connection) {
    absl::StatusOr<Principal> user = LetIn(*connection);
    if (user.ok()) co_return user;
    // It may be told when nobody is here any more.
    const auto fetched = std::make_shared<std::atomic<bool>>(false);
    const std::function<void()> told = [fetched] { fetched->store(true); };
    if (!authenticator_.WaitForKeys(user.status(), connection->address, told)) co_return user;
    const TimePoint end = Now() + kKeysTimeout;
    while (!fetched->load() && Now() < end) {
      asio::steady_timer pause(io_, kLookForKeys);
      co_await pause.async_wait(kAwait);
    }
    co_return LetIn(*connection);
  }

  asio::awaitable<void> Serve(ConnectionPtr connection) {
    boost::system::error_code gone;
    const tcp::endpoint peer = connection->lowest().socket().remote_endpoint(gone);
    connection->address = HostOf(*peer.data());
    connection->lowest().expires_after(kHandshakeTimeout);
    const auto [handshake_error] =
        co_await connection->stream.async_handshake(asio::ssl::stream_base::server, kAwait);
    const std::unique_ptr<X509, void (*)(X509*)> certificate(
        SSL_get1_peer_certificate(connection->stream.native_handle()), X509_free);
    connection->shown.certificate =
        PeerOf(certificate.get(), authenticator_.ledger().trust_domain());
    bool more = !handshake_error;
    while (more) more = co_await ServeOne(connection);
  }

  asio::awaitable<bool> ServeOne(ConnectionPtr connection) {
    Parser parser;
    parser.header_limit(kHeadBytesMax);
    parser.body_limit(kBodyBytesMax);
    connection->lowest().expires_after(connection->known ? kIdleTimeout : kHeadTimeout);
    const auto [head_error, head_read] =
        co_await http::async_read_header(connection->stream, connection->buffer, parser, kAwait);
    if (head_error) co_return co_await RefuseUnreadable(connection, head_error);
    ShowToken(parser.get(), connection->shown);
    const absl::StatusOr<Principal> user = co_await AskIn(connection);
    ApiRequest request = ToRequest(parser.get());
    request.address = AddressOf(connection->lowest().socket());
    if (std::optional<ApiReply> refusal = Judge(*connection, user, request)) {
      // Who is nobody yet does not keep a connection.
      const bool stays = parser.is_done() && !absl::IsUnauthenticated(user.status());
      ApiReply reply = *std::move(refusal);
      if (stays) co_return co_await Reply(connection, parser.get(), std::move(reply));
      HttpsResponse response = MakeResponse(std::move(reply), parser.get().version(), false);
      co_await RefuseAndDiscard(&connection->stream, std::move(response), kDiscardBytesMax);
      co_return false;
    }
    connection->known = true;
    const Call call = CallOf(request);
    absl::Cleanup served = [this, &user, call] { limits_.End(user->name, call); };
    const boost::system::error_code error = co_await ReadBody(connection, &parser);
    if (error) co_return co_await RefuseUnreadable(connection, error);
    request.body = std::move(parser.get().body());
    asio::thread_pool& threads = call == Call::kRead ? readers_ : writers_;
    Answer answer = co_await AnswerOf(&threads, std::move(request));
    auto* const watch = std::get_if<std::unique_ptr<Watch>>(&answer);
    const absl::Status may = watch == nullptr ? absl::OkStatus() : BeginWatch(user->name);
    if (watch == nullptr || !may.ok()) {
      ApiReply reply = may.ok() ? std::get<ApiReply>(std::move(answer)) : ErrorReply(may);
      co_return co_await Reply(connection, parser.get(), std::move(reply));
    }
    std::move(served).Invoke();
    const absl::Cleanup over = [this, &user] { limits_.End(user->name, Call::kWatch); };
    co_await ServeWatch(connection, std::move(*watch));
    co_return false;
  }

  asio::awaitable<bool> RefuseUnreadable(ConnectionPtr connection,
                                         boost::system::error_code error) {
    std::optional<ApiReply> refusal = AnswerTo(WhyUnreadable(error));
    if (!refusal.has_value()) co_return false;
    HttpsResponse response = MakeResponse(*std::move(refusal), 11, false);
    co_await RefuseAndDiscard(&connection->stream, std::move(response), kDiscardBytesMax);
    co_return false;
  }

  asio::awaitable<boost::system::error_code> ReadBody(ConnectionPtr connection, Parser* parser) {
    connection->lowest().expires_after(kBodyTimeout);
    if (!parser->is_done() && parser->get()[http::field::expect] == "100-continue") {
      const asio::const_buffer go_on = asio::buffer(kContinue, sizeof kContinue - 1);
      const auto [error, written] = co_await asio::async_write(connection->stream, go_on, kAwait);
      if (error) co_return error;
    }
    const auto [error, read] =
        co_await http::async_read(connection->stream, connection->buffer, *parser, kAwait);
    co_return error;
  }

  // Whether the connection goes on.
  asio::awaitable<bool> Reply(ConnectionPtr connection,
                              const http::request<http::string_body>& message, ApiReply reply) {
    const bool keep_alive = message.keep_alive();
    HttpsResponse response = MakeResponse(std::move(reply), message.version(), keep_alive);
    if (message.method() == http::verb::head) response.body().clear();  // Its length is said.
    connection->lowest().expires_after(kWriteTimeout);
    const auto [error, written] = co_await http::async_write(connection->stream, response, kAwait);
    co_return !error && keep_alive;
  }

  // By its head, what a request is refused for; nullopt where it may go on, as one of its user's.
  std::optional<ApiReply> Judge(const Connection& connection, const absl::StatusOr<Principal>& user,
                                ApiRequest& request) {
    if (!user.ok()) {
      const absl::StatusOr<Principal> refused =
          authenticator_.Identify(connection.shown, std::time(nullptr));
      request.user.name = refused.ok() ? refused->name : connection.shown.certificate.uri;
      return api_.Refuse(request, user.status());
    }
    request.user = *user;
    const Call call = CallOf(request);
    absl::Status may = limits_.Take(user->name, call, Now());
    if (may.ok()) {
      if (std::optional<ApiReply> refusal = api_.JudgeHead(request)) return refusal;
      may = limits_.Begin(user->name, call, Now());
    }
    if (!may.ok()) return ErrorReply(may);
    limits_.Run(user->name, call);
    return std::nullopt;
  }

  asio::awaitable<Answer> AnswerOf(asio::thread_pool* threads, ApiRequest request) {
    const auto work = std::make_shared<Work>(io_, std::move(request));
    asio::post(*threads, [this, work] {
      work->answer = api_.Serve(work->request);
      asio::post(io_, [work] { work->done.cancel(); });
    });
    co_await work->done.async_wait(kAwait);
    co_return std::move(work->answer);
  }

  // OK: it counts as one of the user's, until it ends.
  absl::Status BeginWatch(const std::string& user) {
    if (watching_.size() >= kWatchesMax) {
      return absl::ResourceExhaustedError(
          "there are too many watches of all users together; try again later");
    }
    RETURN_IF_ERROR(limits_.Begin(user, Call::kWatch, Now()));
    limits_.Run(user, Call::kWatch);
    return absl::OkStatus();
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
    const TimePoint end = Now() + watch->timeout();
    while (!connection->gone && !watch->ended() && Now() < end) {
      const absl::Status let_in = LetIn(*connection).status();
      std::string events = let_in.ok() ? watch->Next(feed_) : watch->End(let_in);
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
  asio::awaitable<std::string> Wait(ConnectionPtr connection, const Watch* watch, TimePoint end) {
    const TimePoint bookmark = Now() + kBookmarkInterval;
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
  const Authenticator& authenticator_;
  Limits& limits_;
  int judge_ = 0;
  std::set<Connection*> watching_;
  asio::io_context io_{1};  // What is left of its connections ends with it.
  const std::unique_ptr<TlsSource> tls_;
  HttpsListener listener_;
  asio::thread_pool readers_{kReadersMax};
  asio::thread_pool writers_{kWritersMax};
  Thread thread_;
};

absl::StatusOr<std::unique_ptr<KubernetesServer>> KubernetesServer::Start(
    const Uses& uses, const Identity& identity, const std::string& address, uint16_t port) {
  ASSIGN_OR_RETURN(std::unique_ptr<TlsSource> tls,
                   TlsSource::Open(identity, uses.authenticator.takes_tokens()));
  auto server = std::unique_ptr<KubernetesServer>(new KubernetesServer());
  server->server_ = std::make_unique<Server>(uses, std::move(tls));
  HttpsListener& listener = server->server_->listener();
  RETURN_IF_ERROR(listener.Listen(address, port));
  server->port_ = listener.port();
  server->server_->Run();
  return server;
}

KubernetesServer::~KubernetesServer() = default;

}  // namespace apk

// Connect, then TLS where the target wants it.
#include "data-plane/net/dialer.h"

#include "data-plane/net/tcp_stream.h"
#include "data-plane/net/tls_stream.h"

namespace apk {
namespace {

constexpr size_t kContextsMax = 256;

// Closes a socket that is still connecting when its time is up.
class ConnectDeadline final : public Deadline {
 public:
  ConnectDeadline(DeadlineList& list, TcpSocket& socket) : Deadline(list), socket_(socket) {}
  bool expired() const { return expired_; }

 private:
  void OnDeadline() override {
    expired_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  TcpSocket& socket_;
  bool expired_ = false;
};

DialResult Failed(DialError error) {
  DialResult result;
  result.error = error;
  return result;
}

}  // namespace

Task<DialResult> Dialer::Dial(DialTarget target, TimePoint deadline) {
  const std::vector<TcpEndpoint> endpoints = co_await resolver_.Resolve(target.host, target.port);
  if (endpoints.empty()) co_return Failed(DialError::kDns);
  DialError last = DialError::kConnect;
  for (const TcpEndpoint& endpoint : endpoints) {
    TcpSocket socket(executor_);
    ConnectDeadline guard(deadlines_, socket);
    guard.SetDeadline(deadline);
    const auto [error] = co_await socket.async_connect(endpoint, kTuple);
    if (guard.expired()) co_return Failed(DialError::kTimeout);
    if (error) continue;
    guard.SetDeadline(kNoDeadline);
    if (target.tls) {
      DialResult secured = co_await SecureStream(&socket, &target, deadline);
      if (secured.error == DialError::kNone) co_return secured;
      last = secured.error;
      continue;
    }
    DialResult result;
    result.stream = std::make_unique<TcpStream>(std::move(socket), deadlines_);
    co_return result;
  }
  co_return Failed(last);
}

Task<DialResult> Dialer::SecureStream(TcpSocket* socket, const DialTarget* target,
                                      TimePoint deadline) {
  SslContext context = ContextFor(target->ca_pem);
  if (context == nullptr) co_return Failed(DialError::kTls);
  auto stream = std::make_unique<TlsStream>(std::move(*socket), std::move(context), deadlines_);
  stream->SetDeadline(deadline);
  std::string name = target->server_name.empty() ? target->host : target->server_name;
  std::vector<std::string> allowed = target->allowed_names;
  const bool secured = co_await stream->ConnectHandshake(std::move(name), std::move(allowed));
  if (!secured) co_return Failed(stream->timed_out() ? DialError::kTimeout : DialError::kTls);
  stream->SetDeadline(kNoDeadline);
  DialResult result;
  result.stream = std::move(stream);
  co_return result;
}

SslContext Dialer::ContextFor(const std::string& ca_pem) {
  for (const ClientContext& known : contexts_) {
    if (known.ca_pem == ca_pem) return known.context;
  }
  absl::StatusOr<SslContext> context = MakeClientContext(ca_pem);
  if (!context.ok()) return nullptr;
  if (contexts_.size() == kContextsMax) contexts_.erase(contexts_.begin());
  return contexts_.emplace_back(ClientContext{ca_pem, *std::move(context)}).context;
}

}  // namespace apk

// Connect, then TLS where the target wants it.
#include "data-plane/net/dialer.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "common/log.h"
#include "common/strings.h"
#include "data-plane/net/tcp_stream.h"
#include "data-plane/net/timer.h"
#include "data-plane/net/tls_stream.h"

namespace apk {
namespace {

constexpr size_t kContextsMax = 256;
constexpr size_t kSessionsMax = 4096;  // Of one context.
constexpr size_t kComplaintsMax = 256;
constexpr std::chrono::minutes kComplaintInterval{1};

DialResult Failed(DialError error) {
  DialResult result;
  result.error = error;
  return result;
}

}  // namespace

// Closes a socket that is still connecting when its time is up.
class Dialer::ConnectDeadline final : public Deadline {
 public:
  explicit ConnectDeadline(DeadlineList& list) : Deadline(list) {}

  bool expired() const { return expired_; }
  TcpSocket* socket = nullptr;  // While it connects.

 private:
  void OnDeadline() override {
    expired_ = true;
    boost::system::error_code ignored;
    if (socket != nullptr) socket->close(ignored);
  }

  bool expired_ = false;
};

// Attempts at the addresses of one name; the first that succeeds ends the others.
struct Dialer::Race {
  explicit Race(Executor executor) : changed(executor) {}

  Timer changed;  // Cancelled when an attempt has ended.
  std::vector<ConnectDeadline*> running;
  std::optional<TcpSocket> winner;
  bool timed_out = false;
};

Task<DialResult> Dialer::Dial(DialTarget target, TimePoint deadline) {
  const Resolution resolution = co_await resolver_.Resolve(target.host, target.port, deadline);
  if (resolution.timed_out) co_return Failed(DialError::kTimeout);
  if (resolution.endpoints.empty()) co_return Failed(DialError::kDns);
  bool timed_out = false;
  std::optional<TcpSocket> socket =
      co_await ConnectToFirst(&resolution.endpoints, deadline, &timed_out);
  if (!socket.has_value()) {
    co_return Failed(timed_out ? DialError::kTimeout : DialError::kConnect);
  }
  if (target.tls) co_return co_await SecureStream(&*socket, &target, deadline);
  DialResult result;
  result.stream = std::make_unique<TcpStream>(*std::move(socket), deadlines_);
  co_return result;
}

Task<std::optional<TcpSocket>> Dialer::Connect(TcpEndpoint endpoint, ConnectDeadline* guard) {
  TcpSocket socket(executor_);
  guard->socket = &socket;
  const auto [error] = co_await socket.async_connect(endpoint, kTuple);
  guard->socket = nullptr;
  if (error || guard->expired()) co_return std::nullopt;
  co_return std::move(socket);
}

Task<std::optional<TcpSocket>> Dialer::ConnectToFirst(const std::vector<TcpEndpoint>* endpoints,
                                                      TimePoint deadline, bool* timed_out) {
  if (endpoints->size() == 1) {
    ConnectDeadline guard(deadlines_);
    guard.SetDeadline(deadline);
    std::optional<TcpSocket> socket = co_await Connect(endpoints->front(), &guard);
    *timed_out = guard.expired();
    co_return socket;
  }
  auto race = std::make_shared<Race>(executor_);
  const size_t count = std::min(endpoints->size(), kAddressesMax);
  for (size_t next = 0; !race->winner.has_value() && (next < count || !race->running.empty());) {
    if (next < count) {
      asio::co_spawn(executor_, RunRacer(race, (*endpoints)[next], deadline), Detached());
      ++next;
    }
    if (race->winner.has_value() || (next < count && race->running.empty())) continue;
    race->changed.expires_at(next < count ? std::chrono::steady_clock::now() + kStagger
                                          : TimePoint::max());
    co_await race->changed.async_wait(kTuple);
  }
  for (ConnectDeadline* const guard : race->running) guard->SetDeadline(TimePoint::min());
  *timed_out = race->timed_out;
  co_return std::move(race->winner);
}

Task<> Dialer::RunRacer(std::shared_ptr<Race> race, TcpEndpoint endpoint, TimePoint deadline) {
  ConnectDeadline guard(deadlines_);
  guard.SetDeadline(deadline);
  race->running.push_back(&guard);
  std::optional<TcpSocket> socket = co_await Connect(endpoint, &guard);
  std::erase(race->running, &guard);
  if (guard.expired()) race->timed_out = true;
  if (socket.has_value() && !race->winner.has_value()) race->winner = std::move(socket);
  race->changed.cancel();
}

Task<DialResult> Dialer::SecureStream(TcpSocket* socket, const DialTarget* target,
                                      TimePoint deadline) {
  ClientContext* const context = ContextFor(*target);
  if (context == nullptr) co_return Failed(DialError::kTls);
  ServerNames names = target->names;
  if (names.server_name.empty()) names.server_name = target->host;
  std::shared_ptr<SessionSlot> slot = SlotFor(*context, *target);
  auto transport = std::make_unique<TcpStream>(std::move(*socket), deadlines_);
  auto stream = std::make_unique<TlsStream>(std::move(transport), context->context, deadlines_);
  stream->SetDeadline(deadline);
  if (target->offer_http2) stream->OfferHttp2();
  const bool secured = co_await stream->ConnectHandshake(std::move(names), std::move(slot));
  if (!secured) {
    Complain(*target, stream->failure());
    co_return Failed(stream->timed_out() ? DialError::kTimeout : DialError::kTls);
  }
  stream->SetDeadline(kNoDeadline);
  DialResult result;
  result.http2 = stream->http2();
  result.stream = std::move(stream);
  co_return result;
}

Dialer::ClientContext* Dialer::ContextFor(const DialTarget& target) {
  const ClientSettings& settings = target.settings;
  for (const auto& known : contexts_) {
    if (known->settings == settings) return known.get();
  }
  absl::StatusOr<SslContext> context = MakeClientContext(settings);
  if (!context.ok()) {
    Complain(target, std::string(context.status().message()));
    return nullptr;
  }
  if (contexts_.size() == kContextsMax) contexts_.erase(contexts_.begin());
  auto added = std::make_unique<ClientContext>();
  added->settings = settings;
  added->context = *std::move(context);
  return contexts_.emplace_back(std::move(added)).get();
}

void Dialer::Complain(const DialTarget& target, const std::string& reason) {
  const std::string server = Concat(target.host, ":", std::to_string(target.port));
  const TimePoint now = Now();
  if (complaints_.size() >= kComplaintsMax && !complaints_.contains(server)) {
    complaints_.erase(complaints_.begin());
  }
  Complaint& complaint = complaints_[server];
  if (complaint.reason == reason && now < complaint.next) return;
  complaint = {.reason = reason, .next = now + kComplaintInterval};
  LogWarning("TLS with a server fails",
             {{"server", server}, {"name", target.names.server_name}, {"reason", reason}});
}

// A resumed session isn't verified again, so all that was verified is part of the key.
std::shared_ptr<SessionSlot> Dialer::SlotFor(ClientContext& context, const DialTarget& target) {
  const std::string key =
      Concat(target.host, "\n", std::to_string(target.port), "\n", target.names.server_name, "\n",
             Join(target.names.allowed_names, ","), "\n", Join(target.names.allowed_uris, " "));
  if (context.sessions.size() >= kSessionsMax && !context.sessions.contains(key)) {
    context.sessions.erase(context.sessions.begin());
  }
  std::shared_ptr<SessionSlot>& slot = context.sessions[key];
  if (slot == nullptr) slot = std::make_shared<SessionSlot>();
  return slot;
}

}  // namespace apk

// Steps decide nothing for their caller: ServeRequest reads top to bottom.
#include "data-plane/forward/serve_request.h"

#include "data-plane/forward/choose_backend.h"
#include "data-plane/forward/copy_body.h"
#include "data-plane/forward/date.h"
#include "data-plane/forward/mirror_tee.h"
#include "data-plane/forward/session_value.h"
#include "data-plane/forward/tunnel.h"
#include "data-plane/forward/upstream_host.h"
#include "data-plane/http/grpc.h"
#include "data-plane/http/head_writer.h"
#include "data-plane/http/hop_headers.h"
#include "data-plane/net/timer.h"

namespace apk {
namespace {

constexpr std::chrono::hours kGrpcSilenceMax{1};
constexpr int kRefusalsMax = 3;

// A head for HTTP/1.1 needs a key, which an extended CONNECT does not carry (RFC 8441 5).
void AddWebSocketKey(FastRandom& random, HeaderMap& headers) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string key(21, 'A');
  for (char& digit : key) digit = kAlphabet[random.Below(kAlphabet.size())];
  headers.Set("Sec-WebSocket-Key",
              key + "A==");  // 16 bytes in base64: the last digit has two bits.
}

// A larger body goes up once.
constexpr size_t kReplayBytesMax = 256 * 1024;

int64_t UnixMilliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A browser's question is answered before anything else: it carries no token, and a rule for one
// method alone is meant where the page wants to use that method.
std::optional<Reply> AnswerPreflightFor(const Listener& listener,
                                        const std::optional<RouteMatch>& match,
                                        RequestHead& request) {
  if (!IsPreflight(request)) return std::nullopt;
  const Rule* rule = match.has_value() ? match->rule : nullptr;
  if (rule == nullptr) {
    std::string method(*request.headers.Get("access-control-request-method"));
    std::swap(request.method, method);
    const std::optional<RouteMatch> asked = RouteTable::Match(listener, request);
    std::swap(request.method, method);
    if (asked.has_value()) rule = asked->rule;
  }
  if (rule == nullptr || !rule->cross_origin) return std::nullopt;
  std::optional<Reply> reply = AnswerPreflight(rule->filters, request);
  for (const WeightedBackend& backend : rule->backends) {
    if (reply.has_value()) break;
    if (backend.weight > 0) reply = AnswerPreflight(backend.filters, request);
  }
  return reply;
}

// The client must ask again on a connection of its own: this one was made for another listener, or
// under other rules for clients (RFC 9110 15.5.20).
bool IsMisdirected(const Port& port, const Listener& listener, const Arrival& arrival) {
  if (!arrival.tls) return false;
  if (listener.client_rules != 0 && listener.client_rules != arrival.handshake.client_rules) {
    return true;
  }
  const std::string& server_name = arrival.handshake.server_name;
  return !server_name.empty() && port.FindListener(server_name) != &listener;
}

// True where the rest of the answer is there already: its connection can be used again.
bool DiscardAnswer(ClientExchange& upstream) {
  constexpr int kSlicesMax = 16;
  for (int i = 0; i < kSlicesMax; ++i) {
    const BodySlice slice = upstream.NextBody();
    if (slice.wait || slice.failed) return false;
    if (!slice.done) continue;
    upstream.NextBody();  // Gives the last slice back.
    return true;
  }
  return false;
}

Failure FailureFor(DialError error) {
  switch (error) {
    case DialError::kTimeout:
      return Failure::kConnectTimeout;
    case DialError::kTls:
      return Failure::kTls;
    case DialError::kDns:
    case DialError::kConnect:
    case DialError::kNone:
      break;
  }
  return Failure::kConnect;
}

Failure FailureFor(ClientExchange::HeadResult result) {
  switch (result) {
    case ClientExchange::HeadResult::kTimeout:
      return Failure::kTimeout;
    case ClientExchange::HeadResult::kMalformed:
      return Failure::kProtocol;
    default:
      return Failure::kReset;
  }
}

// One forwarded request: everything that its steps share.
class Forwarding {
 public:
  // `filters` outlives it.
  Forwarding(WorkerContext& worker, ServerExchange& exchange, const Rule& rule,
             const FilterContext& filters)
      : worker_(worker), exchange_(exchange), rule_(rule), filters_(filters), mirrors_(worker) {}
  ~Forwarding() {
    exchange_.AbortWhenCancelled(nullptr);
    worker_.pool.Release(lease_);
  }
  Forwarding(const Forwarding&) = delete;
  Forwarding& operator=(const Forwarding&) = delete;

  Task<> Run();

 private:
  // The backend of the request's session, or the one that chance chooses; begins a session where
  // the rule wants one.
  void Choose();
  Task<> Answer(Failure failure);
  // The same where the client's own request may be what failed.
  Task<> AnswerFor(Failure failure);
  // The rule has no backend that could answer: its mirrors get the request, the client `failure`.
  Task<> ServeWithoutBackend(Failure failure);
  // Send, and again where it fails in a way that the rule wants another try for.
  Task<std::optional<Failure>> SendWithRetries();
  // No failure: the answer has a status that may be one to try again.
  bool MayRetry(std::optional<Failure> failure) const;
  // `retry` counts from 0. Twice as late each time, so that a backend in trouble is left alone.
  TimePoint NextTry(uint32_t retry);
  Task<> GiveUpTry(bool answered);
  // Gets the request to the backend and its response head into response_; nothing is left to do but
  // answer with the failure otherwise.
  Task<std::optional<Failure>> Send();
  Task<std::optional<Failure>> SendOnce();
  Task<std::optional<Failure>> ReadResponseHead();
  // The client is told where its session is, where it does not know yet.
  void KeepSession();
  Task<> Respond();
  Task<bool> SendWithoutBody(ClientExchange* upstream);
  Task<> Tunnel();

  WorkerContext& worker_;
  ServerExchange& exchange_;
  const Rule& rule_;
  const FilterContext& filters_;
  MirrorTee mirrors_;
  const WeightedBackend* choice_ = nullptr;
  std::optional<Session> session_;
  ExchangeDeadlines deadlines_;
  UpstreamGuard guard_{deadlines_};
  ConnectionPool::Lease lease_;
  RequestBody body_{worker_.io, exchange_, mirrors_, worker_.limits.body_bytes_max};
  ResponseHead response_;
  bool response_begun_ = false;
  bool refused_ = false;  // By the backend, untouched.
  int refusals_ = 0;
};

Task<> Forwarding::Answer(Failure failure) {
  worker_.metrics.failures[static_cast<size_t>(failure)].Add();
  Reply reply = ReplyFor(failure);
  co_await AnswerWith(&worker_, &exchange_, std::move(reply));
}

Task<> Forwarding::AnswerFor(Failure failure) {
  switch (body_.fault()) {
    case ClientFault::kNone:
      break;
    case ClientFault::kMalformed:
      failure = Failure::kMalformedRequest;
      break;
    case ClientFault::kTooLarge:
      failure = Failure::kBodyTooLarge;
      break;
    case ClientFault::kTooSlow:
      failure = Failure::kRequestTimeout;
      break;
    case ClientFault::kGone:
      worker_.metrics.responses_by_class[0].Add();
      exchange_.Abort();
      co_return;
  }
  co_await Answer(failure);
}

Task<> Forwarding::ServeWithoutBackend(Failure failure) {
  if (!rule_.invalid) co_await body_.FeedMirrorsOnly();
  co_await AnswerFor(failure);
}

void Forwarding::Choose() {
  if (rule_.session_persistence.has_value() && !rule_.invalid) {
    session_ =
        FindSession(*rule_.session_persistence, exchange_.request().headers, UnixMilliseconds());
    if (session_.has_value()) choice_ = &rule_.backends[session_->target.backend];
  }
  if (choice_ == nullptr && !rule_.invalid) {
    choice_ = ChooseBackend(rule_.backends, rule_.total_weight, worker_.random);
  }
}

Task<> Forwarding::Run() {
  RequestHead& request = exchange_.request();
  mirrors_.Prepare(rule_, rule_.mirrors, request);
  if (body_.too_large()) {
    co_await Answer(Failure::kBodyTooLarge);
    co_return;
  }
  Choose();
  if (choice_ == nullptr || choice_->backend == nullptr) {
    co_await ServeWithoutBackend(Failure::kNotConfigured);  // The Gateway API's 500.
    co_return;
  }
  const Backend& backend = *choice_->backend;
  if (!choice_->filters.empty()) {
    std::optional<Reply> reply = ApplyRequestFilters(choice_->filters, filters_, request);
    if (reply.has_value()) {
      co_await AnswerWith(&worker_, &exchange_, *std::move(reply));
      co_return;
    }
  }
  if (!choice_->mirrors.empty()) mirrors_.Prepare(rule_, choice_->mirrors, request);
  for (const auto& [name, value] : backend.set_headers) request.headers.Set(name, value);
  if (backend.endpoints.empty()) {
    co_await ServeWithoutBackend(Failure::kNoEndpoints);
    co_return;
  }
  deadlines_ = DeadlinesFor(rule_, backend, worker_.limits);
  if (IsGrpc(request) && rule_.request_timeout_ms == 0) {
    // Calls carry their own deadlines, and streams may be silent.
    deadlines_.head = deadlines_.stall = kGrpcSilenceMax;
  }
  if (rule_.retry.has_value()) body_.KeepForReplay(kReplayBytesMax);
  const std::optional<Failure> failure = co_await SendWithRetries();
  if (failure.has_value()) {
    if (lease_.exchange() != nullptr) lease_.exchange()->Abort();
    co_await AnswerFor(*failure);  // At once: the rest of the body is read away after it.
    co_await body_.Stop();
    co_return;
  }
  co_await Respond();
}

bool Forwarding::MayRetry(std::optional<Failure> failure) const {
  if (!body_.CanReplay() || body_.fault() != ClientFault::kNone) return false;
  const RetryPolicy& retry = *rule_.retry;
  if (!failure.has_value()) return retry.Takes(response_.status);
  switch (*failure) {
    case Failure::kConnect:
    case Failure::kConnectTimeout:
      return true;  // The backend has seen nothing.
    case Failure::kReset:
      return IsIdempotent(exchange_.request().method);
    case Failure::kTimeout:
      return retry.Takes(504) || IsIdempotent(exchange_.request().method);
    default:
      return false;
  }
}

TimePoint Forwarding::NextTry(uint32_t retry) {
  constexpr uint32_t kDoublingsMax = 5;
  const uint64_t least_ms = uint64_t{rule_.retry->backoff_ms} << std::min(retry, kDoublingsMax);
  const uint64_t jitter_ms = worker_.random.Below(least_ms / 4 + 1);
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(least_ms + jitter_ms);
}

Task<> Forwarding::GiveUpTry(bool answered) {
  if (ClientExchange* const upstream = lease_.exchange(); upstream != nullptr) {
    if (!answered || !DiscardAnswer(*upstream)) upstream->Abort();
  }
  co_await body_.Settle();
  exchange_.AbortWhenCancelled(nullptr);
  worker_.pool.Release(lease_);
}

Task<std::optional<Failure>> Forwarding::SendWithRetries() {
  std::optional<size_t> endpoint;
  if (session_.has_value()) endpoint = session_->target.endpoint;
  if (!worker_.pool.Acquire(*choice_->backend, lease_, endpoint)) co_return Failure::kOverflow;
  std::optional<Failure> failure = co_await Send();
  const uint32_t attempts = rule_.retry.has_value() ? rule_.retry->attempts : 0;
  for (uint32_t retry = 0; retry < attempts && MayRetry(failure); ++retry) {
    const TimePoint at = NextTry(retry);
    if (at >= deadlines_.exchange) break;  // What there is now is the answer.
    worker_.metrics.upstream_retries.Add();
    co_await GiveUpTry(!failure.has_value());
    Timer timer(worker_.io.get_executor(), at);
    co_await timer.async_wait(kTuple);
    // A session stays where it is as long as somebody is there.
    if (failure.has_value()) endpoint.reset();
    if (!worker_.pool.Acquire(*choice_->backend, lease_, endpoint)) co_return Failure::kOverflow;
    failure = co_await Send();
  }
  co_return failure;
}

Task<std::optional<Failure>> Forwarding::Send() {
  for (;;) {
    const TimePoint latest = guard_.StartTry();
    const bool fresh = lease_.exchange() == nullptr;
    if (fresh) {
      const DialError error = co_await worker_.pool.Open(choice_->backend, &lease_, latest);
      if (error != DialError::kNone) {
        const bool late = std::chrono::steady_clock::now() >= latest;
        if (late || !worker_.pool.MoveOn(*choice_->backend, lease_)) co_return FailureFor(error);
        continue;
      }
      worker_.metrics.upstream_connections.Add();
    }
    const std::optional<Failure> failure = co_await SendOnce();
    // A kept connection may die as it is used: that says nothing of the backend, so a request that
    // can be repeated is, on a new one. What the backend refused it has not touched, whatever it
    // is.
    const bool stale = failure == Failure::kReset && !fresh && !response_begun_ &&
                       IsIdempotent(exchange_.request().method);
    const bool refused = refused_ && ++refusals_ <= kRefusalsMax;
    if (!body_.empty() || !(stale || refused)) co_return failure;
    worker_.metrics.upstream_retries.Add();
    lease_.exchange()->Abort();
    co_await body_.Settle();
    exchange_.AbortWhenCancelled(nullptr);
    lease_.DropExchange();
  }
}

Task<std::optional<Failure>> Forwarding::SendOnce() {
  ClientExchange& upstream = *lease_.exchange();
  const RequestHead& request = exchange_.request();
  std::string host;
  OutgoingRequest outgoing;
  outgoing.head = &request;
  outgoing.base_path = choice_->backend->base_path;
  outgoing.host = UpstreamHost(*choice_->backend, lease_.endpoint, request.authority, host);
  upstream.WriteHead(outgoing);
  guard_.Attach(upstream);
  exchange_.AbortWhenCancelled(&upstream);
  if (exchange_.WriteContinue() == WriteStatus::kAgain) {
    const bool flushed = co_await exchange_.Flush();
    if (!flushed) co_return Failure::kReset;
  }
  if (request.websocket) {
    const bool sent = co_await SendWithoutBody(&upstream);
    if (!sent) co_return Failure::kReset;
    guard_.UploadEnded();
    co_return co_await ReadResponseHead();
  }
  const WriteStatus status = body_.Begin(upstream);
  mirrors_.Start();
  if (status == WriteStatus::kFailed) co_return Failure::kReset;
  body_.Continue(upstream, status, guard_);
  co_return co_await ReadResponseHead();
}

Task<bool> Forwarding::SendWithoutBody(ClientExchange* upstream) {
  const WriteStatus status = upstream->WriteBody({}, true);
  if (status == WriteStatus::kAgain) co_return co_await upstream->Flush();
  co_return status == WriteStatus::kDone;
}

// The backend has granted a WebSocket.
Task<> Forwarding::Tunnel() {
  StripHopByHop(response_.headers);
  ApplyResponseFilters(choice_->filters, filters_, response_);
  ApplyResponseFilters(rule_.filters, filters_, response_);
  lease_.exchange()->StartTunnel();
  exchange_.StartTunnel(response_);
  worker_.metrics.responses_by_class[1].Add();
  const bool in_order = co_await RunTunnel(&worker_.io, &exchange_, lease_.exchange());
  if (!in_order) exchange_.Abort();
}

Task<std::optional<Failure>> Forwarding::ReadResponseHead() {
  for (int interim = 0;; ++interim) {
    const ClientExchange::HeadResult result = co_await lease_.exchange()->ReadHead(response_);
    refused_ = result == ClientExchange::HeadResult::kRefused;
    response_begun_ = !refused_ && result != ClientExchange::HeadResult::kClosed;
    if (result != ClientExchange::HeadResult::kOk) co_return FailureFor(result);
    if (response_.status >= 200) {
      guard_.AnswerBegun();
      co_return std::nullopt;
    }
    if (exchange_.request().websocket && GrantsWebSocket(response_)) co_return std::nullopt;
    const bool refused = response_.status == 101 || interim == worker_.limits.interim_responses_max;
    if (refused) co_return Failure::kProtocol;
    if (response_.status == 100) continue;  // The gateway has answered the client's Expect.
    StripHopByHop(response_.headers);
    if (exchange_.WriteInterim(response_) == WriteStatus::kAgain) {
      const bool flushed = co_await exchange_.Flush();
      if (!flushed) co_return Failure::kReset;
    }
  }
}

void Forwarding::KeepSession() {
  const SessionPersistence& policy = *rule_.session_persistence;
  const int64_t now_ms = UnixMilliseconds();
  const auto backend = static_cast<uint32_t>(choice_ - rule_.backends.data());
  const auto here = std::find_if(
      policy.targets.begin(), policy.targets.end(), [&](const SessionPersistence::Target& target) {
        return target.backend == backend && target.endpoint == lease_.endpoint;
      });
  if (here == policy.targets.end()) return;
  const bool known = session_.has_value() && session_->target.id == here->id;
  if (known && !policy.in_header && !NeedsRenewal(policy, *session_, now_ms)) return;
  Session session;
  session.target = *here;
  session.begun_ms = known ? session_->begun_ms : now_ms;
  session.seen_ms = now_ms;
  GrantSession(policy, session, exchange_.request().secure, now_ms, response_);
}

Task<> Forwarding::Respond() {
  if (response_.status == 101) {
    co_await Tunnel();
    co_return;
  }
  StripHopByHop(response_.headers);
  if (!response_.headers.Has(HeaderId::kDate)) response_.headers.Add("Date", HttpDate());
  ApplyResponseFilters(choice_->filters, filters_, response_);
  ApplyResponseFilters(rule_.filters, filters_, response_);
  if (rule_.session_persistence.has_value()) KeepSession();
  ClientExchange& upstream = *lease_.exchange();
  exchange_.WriteHead(response_);
  const bool copied = co_await CopyResponseBody(&upstream, &exchange_, &guard_);
  worker_.metrics.responses_by_class[copied ? response_.status / 100 : 0].Add();
  if (!copied || !body_.finished()) upstream.Abort();
  if (!copied) exchange_.Abort();
  co_await body_.Stop();
}

}  // namespace

Failure FailureForRefusal(uint16_t status) {
  switch (status) {
    case 408:
      return Failure::kRequestTimeout;
    case 414:
      return Failure::kTargetTooLong;
    case 431:
      return Failure::kHeadTooLarge;
    case 505:
      return Failure::kVersion;
    default:
      return Failure::kMalformedRequest;
  }
}

namespace {

// All of it in the head ("Trailers-Only").
Reply AsGrpcStatus(const Reply& reply) {
  Reply status;
  status.status = 200;
  status.content_type = "application/grpc";
  status.headers = reply.headers;
  status.headers.emplace_back("grpc-status", GrpcStatusOf(reply.status));
  status.headers.emplace_back("grpc-message", ReasonPhrase(reply.status));
  return status;
}

}  // namespace

Task<> AnswerWith(WorkerContext* worker, ServerExchange* exchange, Reply reply) {
  if (reply.status >= 400 && IsGrpc(exchange->request())) reply = AsGrpcStatus(reply);
  ResponseHead head;
  head.status = reply.status;
  head.headers.Add("Date", HttpDate());
  if (!reply.content_type.empty()) head.headers.Add("Content-Type", reply.content_type);
  for (const auto& [name, value] : reply.headers) head.headers.Add(name, value);
  if (!reply.body.empty()) {
    head.framing.kind = BodyFraming::Kind::kLength;
    head.framing.length = reply.body.size();
  }
  const bool bodiless = exchange->request().method == "HEAD";
  exchange->WriteHead(head);
  const WriteStatus status = exchange->WriteBody(bodiless ? std::string_view() : reply.body, true);
  bool written = status == WriteStatus::kDone;
  if (status == WriteStatus::kAgain) written = co_await exchange->Flush();
  worker->metrics.responses_by_class[written ? reply.status / 100 : 0].Add();
  if (!written) exchange->Abort();
}

Task<> ServeRequest(WorkerContext* worker, const Arrival* arrival, ServerExchange* exchange) {
  const std::shared_ptr<const RouteTable> table =
      worker->table;  // One table for the whole request.
  RequestHead& request = exchange->request();

  std::optional<Failure> failure;
  std::optional<Reply> reply;
  std::optional<RouteMatch> match;
  const Port* const port = table->FindPort(arrival->address, arrival->port);
  const Listener* const listener = port == nullptr ? nullptr : port->FindListener(request.host);
  if (listener != nullptr && IsMisdirected(*port, *listener, *arrival)) {
    failure = Failure::kMisdirected;
  } else if (request.method == "CONNECT") {
    failure = Failure::kUpgrade;
  } else if (listener != nullptr) {
    match = RouteTable::Match(*listener, request);
    reply = AnswerPreflightFor(*listener, match, request);
    if (reply.has_value()) {
      co_await AnswerWith(worker, exchange, *std::move(reply));
      co_return;
    }
  }
  if (!match.has_value() && !failure.has_value()) failure = Failure::kNoRoute;
  if (failure.has_value()) {
    worker->metrics.failures[static_cast<size_t>(*failure)].Add();
    reply = ReplyFor(*failure);
    co_await AnswerWith(worker, exchange, *std::move(reply));
    co_return;
  }

  const Rule& rule = *match->rule;
  if (rule.authentication.has_value()) {
    reply = Authenticate(*rule.authentication, request, *worker->keys, worker->verdicts,
                         std::chrono::system_clock::now());
    if (reply.has_value()) {
      worker->metrics.unauthorized.Add();
      MirrorTee rejected(*worker);
      rejected.Prepare(rule, rule.mirrors, request);
      rejected.Reject();
      co_await AnswerWith(worker, exchange, *std::move(reply));
      co_return;
    }
    if (!rule.authentication->send_token_to_upstream) {
      request.headers.Remove(rule.authentication->header);
    }
  }

  if (request.websocket) {
    AddWebSocketKey(worker->random, request.headers);
  } else {
    request.websocket = AsksForWebSocket(request);
  }
  StripHopByHop(request.headers);
  ForwardedBy by;
  by.client_address = exchange->client_address();
  by.listener_port = arrival->port;
  by.request_id = worker->random.Next();
  AddForwardingFields(by, request);
  FilterContext filters;
  filters.path = &match->path;
  filters.listener_port = arrival->port;
  if (rule.redirects) filters.original_path = request.path;
  if (rule.cross_origin) filters.origin = request.headers.Get("origin").value_or("");
  CutBasePath(match->path, request);
  reply = ApplyRequestFilters(rule.filters, filters, request);
  if (reply.has_value()) {
    co_await AnswerWith(worker, exchange, *std::move(reply));
    co_return;
  }
  Forwarding forwarding(*worker, *exchange, rule, filters);
  co_await forwarding.Run();
}

}  // namespace apk

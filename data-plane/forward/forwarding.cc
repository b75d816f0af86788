// Run reads top to bottom; the other steps decide nothing for their caller. A coroutine costs a
// frame, so what never waits is none, and what waits rarely is called only then.
#include "data-plane/forward/forwarding.h"

#include "data-plane/forward/answer.h"
#include "data-plane/forward/choose_backend.h"
#include "data-plane/forward/date.h"
#include "data-plane/forward/tunnel.h"
#include "data-plane/http/grpc.h"
#include "data-plane/http/head_writer.h"
#include "data-plane/http/hop_headers.h"

namespace apk {
namespace {

constexpr std::chrono::hours kGrpcSilenceMax{1};
constexpr int kRefusalsMax = 3;
// A larger body goes up once.
constexpr size_t kReplayBytesMax = 256 * 1024;

int64_t UnixMilliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
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

Failure FailureFor(OpenError error) {
  switch (error) {
    case OpenError::kPendingLimit:
      return Failure::kPendingOverflow;
    case OpenError::kNoPlace:
      return Failure::kTimeout;
    case OpenError::kTimeout:
      return Failure::kConnectTimeout;
    case OpenError::kTls:
      return Failure::kTls;
    case OpenError::kDns:
    case OpenError::kConnect:
    case OpenError::kNone:
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

bool IsGatewayError(uint16_t status) { return status == 502 || status == 503 || status == 504; }

}  // namespace

Forwarding::~Forwarding() {
  exchange_.AbortWhenCancelled(nullptr);
  record_.bytes_in += body_.bytes();
  if (lease_.pool != nullptr) record_.endpoint = lease_.endpoint;
  worker_.pool.Release(lease_);
}

Task<> Forwarding::Answer(Failure failure) {
  worker_.metrics.failures[static_cast<size_t>(failure)].Add();
  record_.Fail(failure);
  Reply reply = ReplyFor(failure);
  co_await AnswerWith(&exchange_, &record_, std::move(reply));
}

Task<> Forwarding::AnswerFor(Failure failure) {
  switch (exchange_.cancelled() ? ClientFault::kGone : body_.fault()) {
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
      record_.failure = "client_gone";
      exchange_.Abort();
      co_return;
  }
  co_await Answer(failure);
}

// True where there is more of the request's body to read away; the client has its answer by then.
bool Forwarding::NotesEndBeforeRest() {
  if (!body_.running()) return false;
  record_.ended = std::chrono::steady_clock::now();
  return true;
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
  record_.backend = &backend;
  if (!choice_->filters.empty()) {
    std::optional<Reply> reply = ApplyRequestFilters(choice_->filters, filters_, request);
    if (reply.has_value()) {
      co_await AnswerWith(&exchange_, &record_, *std::move(reply));
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
  place_wait_ = deadlines_.head;
  if (IsGrpc(request) && rule_.request_timeout_ms == 0) {
    // Calls carry their own deadlines, and streams may be silent.
    deadlines_.head = deadlines_.stall = kGrpcSilenceMax;
  }
  if (rule_.retry.has_value()) {
    retry_ = &*rule_.retry;
  } else if (backend.retry.has_value()) {
    retry_ = &*backend.retry;
  }
  if (retry_ != nullptr) body_.KeepForReplay(kReplayBytesMax);
  std::optional<Failure> failure = Failure::kOverflow;
  record_.sent = std::chrono::steady_clock::now();
  if (worker_.pool.Acquire(backend, lease_, SessionEndpoint())) {
    failure = co_await Send();
    if (retry_ != nullptr) failure = co_await Retry(failure);
  } else {
    counts().Limit(BackendLimit::kRequests);
  }
  if (failure.has_value()) {
    record_.answered = TimePoint();  // Of a try before the last one.
    if (lease_.exchange() != nullptr) lease_.exchange()->Abort();
    co_await AnswerFor(*failure);  // At once: the rest of the body is read away after it.
    if (NotesEndBeforeRest()) co_await body_.Stop();
    co_return;
  }
  if (response_.status == 101) {
    co_await Tunnel();
    co_return;
  }
  co_await Respond();
}

std::optional<size_t> Forwarding::SessionEndpoint() const {
  if (!session_.has_value()) return std::nullopt;
  return session_->target.endpoint;
}

bool Forwarding::MayRetry(std::optional<Failure> failure) const {
  const bool wanted = body_.fault() == ClientFault::kNone && !exchange_.cancelled();
  if (!wanted || !body_.CanReplay()) return false;
  const bool idempotent = IsIdempotent(exchange_.request().method);
  if (!failure.has_value()) {
    return (idempotent || retry_->any_method) && retry_->Takes(response_.status);
  }
  switch (*failure) {
    case Failure::kConnect:
    case Failure::kConnectTimeout:
      return true;  // The backend has seen nothing.
    case Failure::kReset:
      return idempotent;
    case Failure::kTimeout:
      return idempotent || (retry_->any_method && retry_->Takes(504));
    default:
      return false;
  }
}

TimePoint Forwarding::NextTry(uint32_t retry) {
  constexpr uint32_t kDoublingsMax = 5;
  const uint64_t least_ms = uint64_t{retry_->backoff_ms} << std::min(retry, kDoublingsMax);
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

Task<std::optional<Failure>> Forwarding::Retry(std::optional<Failure> failure) {
  // A session stays where it is as long as somebody is there.
  std::optional<size_t> endpoint = SessionEndpoint();
  for (uint32_t retry = 0; retry < retry_->attempts && MayRetry(failure); ++retry) {
    const TimePoint at = NextTry(retry);
    if (at >= deadlines_.exchange) {  // The tries are not used up, the time is.
      co_await GiveUpTry(!failure.has_value());
      co_return Failure::kTimeout;
    }
    if (at >= deadlines_.retry) break;  // What there is now is the answer.
    if (!worker_.pool.EnterRetry(*choice_->backend, lease_)) {
      counts().Limit(BackendLimit::kRetries);
      if (!failure.has_value()) record_.failure = "retry_overflow";
      break;
    }
    if (failure.has_value()) endpoint.reset();
    failure = co_await TryAgain(failure, at, endpoint);
    worker_.pool.LeaveRetry(lease_);
  }
  co_return failure;
}

Task<std::optional<Failure>> Forwarding::TryAgain(std::optional<Failure> failure, TimePoint at,
                                                  std::optional<size_t> endpoint) {
  counts().retries.Add();
  co_await GiveUpTry(!failure.has_value());
  co_await worker_.pool.Pause(at);
  if (!worker_.pool.Acquire(*choice_->backend, lease_, endpoint)) {
    counts().Limit(BackendLimit::kRequests);
    co_return Failure::kOverflow;
  }
  if (stale_) lease_.DropExchange();  // Another kept connection is likely to be dead too.
  co_return co_await Send();
}

void Forwarding::Blame() {
  if (worker_.pool.ReportFailure(*choice_->backend, lease_)) counts().ejections.Add();
}

void Forwarding::JudgeTry(std::optional<Failure> failure) {
  if (!failure.has_value()) {
    if (response_.status == 101) worker_.pool.ReportSuccess(lease_);
    if (IsGatewayError(response_.status)) Blame();
    return;  // Other answers must come whole.
  }
  const bool client = client_lost_ || exchange_.cancelled() || body_.fault() != ClientFault::kNone;
  if (!client && !refused_) Blame();
}

void Forwarding::JudgeAnswer(const ResponseBody& body, bool copied) {
  if (IsGatewayError(response_.status)) return;  // JudgeTry did.
  if (copied) {
    worker_.pool.ReportSuccess(lease_);
  } else if (body.backend_failed() && !exchange_.cancelled()) {
    Blame();
  }
}

Task<std::optional<Failure>> Forwarding::Connect(TimePoint latest) {
  for (;;) {
    const TimePoint latest_place = std::min(latest, Now() + place_wait_);
    const OpenError error =
        co_await worker_.pool.Open(choice_->backend, &lease_, latest, latest_place);
    if (lease_.opened) worker_.metrics.upstream_connections.Add();
    if (lease_.short_of_place) counts().Limit(BackendLimit::kConnections);
    if (error == OpenError::kNone) co_return std::nullopt;
    const bool limited = error == OpenError::kPendingLimit || error == OpenError::kNoPlace;
    if (error == OpenError::kPendingLimit) counts().Limit(BackendLimit::kPending);
    if (!limited) Blame();
    NoteTry(FailureFor(error));
    if (limited || Now() >= latest) co_return FailureFor(error);
    if (!worker_.pool.MoveOn(*choice_->backend, lease_)) co_return FailureFor(error);
    StartTry();
    if (lease_.exchange() != nullptr) co_return std::nullopt;
  }
}

Task<std::optional<Failure>> Forwarding::Send() {
  for (;;) {
    const TimePoint latest = guard_.StartTry();
    StartTry();
    if (lease_.exchange() == nullptr) {
      const std::optional<Failure> unconnected = co_await Connect(latest);
      if (unconnected.has_value()) co_return unconnected;
    }
    const std::optional<Failure> failure = co_await SendOnce();
    NoteTry(failure);
    // A kept connection may die as it is used: that says nothing of the backend, so a request that
    // can be repeated is, on a new one; where there is a number of tries, as one of these. What the
    // backend refused it has not touched, whatever it is.
    stale_ = failure == Failure::kReset && lease_.exchange()->reused() && !response_begun_ &&
             IsIdempotent(exchange_.request().method);
    const bool refused = refused_ && ++refusals_ <= kRefusalsMax;
    const bool repeats = refused || (stale_ && retry_ == nullptr);
    const bool again = repeats && body_.empty() && !exchange_.cancelled();
    if (!again) {
      if (!stale_) JudgeTry(failure);
      co_return failure;
    }
    worker_.metrics.upstream_retries.Add();
    lease_.exchange()->Abort();
    co_await body_.Settle();
    exchange_.AbortWhenCancelled(nullptr);
    lease_.DropExchange();
  }
}

void Forwarding::StartTry() {
  if (record_.trace == nullptr) return;
  record_.trace->StartTry(*choice_->backend, exchange_.request());
}

void Forwarding::NoteTry(std::optional<Failure> failure) {
  if (record_.trace == nullptr) return;
  record_.trace->NoteTry(lease_.endpoint, failure, response_.status);
}

Task<std::optional<Failure>> Forwarding::SendOnce() {
  ClientExchange& upstream = *lease_.exchange();
  const RequestHead& request = exchange_.request();
  OutgoingRequest outgoing;
  outgoing.head = &request;
  outgoing.base_path = choice_->backend->base_path;
  outgoing.host = request.authority_rewritten
                      ? request.authority
                      : choice_->backend->HostFor(lease_.endpoint, request.authority);
  if (record_.trace != nullptr) outgoing.trace_parent = record_.trace->try_parent();
  upstream.WriteHead(outgoing);
  guard_.Attach(upstream);
  exchange_.AbortWhenCancelled(&upstream);
  if (exchange_.WriteContinue() == WriteStatus::kAgain) {
    const bool flushed = co_await exchange_.Flush();
    client_lost_ = !flushed;
    if (!flushed) co_return Failure::kReset;
  }
  if (request.websocket) {
    const bool sent = co_await SendWithoutBody(&upstream);
    if (!sent) co_return Failure::kReset;
    guard_.UploadEnded();
  } else {
    const WriteStatus status = body_.Begin(upstream);
    mirrors_.Start();
    if (status == WriteStatus::kFailed) co_return Failure::kReset;
    body_.Continue(upstream, status, guard_);
  }
  for (int interim = 0;; ++interim) {
    const ClientExchange::HeadResult result = co_await upstream.ReadHead(response_);
    refused_ = result == ClientExchange::HeadResult::kRefused;
    response_begun_ = !refused_ && result != ClientExchange::HeadResult::kClosed;
    if (result != ClientExchange::HeadResult::kOk) co_return FailureFor(result);
    if (response_.status >= 200) {
      guard_.AnswerBegun();
      record_.answered = std::chrono::steady_clock::now();
      co_return std::nullopt;
    }
    if (request.websocket && GrantsWebSocket(response_)) co_return std::nullopt;
    const bool refused = response_.status == 101 || interim == worker_.limits.interim_responses_max;
    if (refused) co_return Failure::kProtocol;
    if (response_.status == 100) continue;  // The gateway has answered the client's Expect.
    StripHopByHop(response_.headers);
    if (exchange_.WriteInterim(response_) == WriteStatus::kAgain) {
      const bool flushed = co_await exchange_.Flush();
      client_lost_ = !flushed;
      if (!flushed) co_return Failure::kReset;
    }
  }
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
  record_.status = 101;
  const bool in_order = co_await RunTunnel(&worker_.io, &exchange_, lease_.exchange(), &record_);
  if (!in_order) exchange_.Abort();
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

void Forwarding::WriteResponseHead() {
  StripHopByHop(response_.headers);
  if (!response_.headers.Has(HeaderId::kDate)) response_.headers.Add(HeaderId::kDate, HttpDate());
  ApplyResponseFilters(choice_->filters, filters_, response_);
  ApplyResponseFilters(rule_.filters, filters_, response_);
  if (rule_.session_persistence.has_value()) KeepSession();
  record_.status = response_.status;
  exchange_.WriteHead(response_);
}

Task<> Forwarding::Respond() {
  ClientExchange& upstream = *lease_.exchange();
  ResponseBody body(upstream, exchange_, guard_);
  if (!body.Begin()) {  // The client has seen nothing of it.
    JudgeAnswer(body, false);
    upstream.Abort();
    co_await Answer(Failure::kProtocol);
    if (NotesEndBeforeRest()) co_await body_.Stop();
    co_return;
  }
  WriteResponseHead();
  const ResponseBody::Step step = body.Advance();
  bool copied = step == ResponseBody::Step::kDone;
  if (!copied) copied = co_await body.Copy(step);
  record_.cut_off = !copied;
  record_.bytes_out = body.bytes();
  JudgeAnswer(body, copied);
  if (!copied || !body_.finished()) upstream.Abort();
  if (!copied) exchange_.Abort();
  if (NotesEndBeforeRest()) co_await body_.Stop();
}

}  // namespace apk

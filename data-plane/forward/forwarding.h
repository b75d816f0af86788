// One request on its way to a backend and its answer on the way back: choice, tries, bodies,
// mirrors.
#pragma once

#include <optional>

#include "data-plane/forward/copy_body.h"
#include "data-plane/forward/exchange_deadlines.h"
#include "data-plane/forward/exchange_report.h"
#include "data-plane/forward/failure.h"
#include "data-plane/forward/mirror_tee.h"
#include "data-plane/forward/session_value.h"
#include "data-plane/forward/worker_context.h"
#include "data-plane/session/exchange.h"

namespace apk {

// Everything that the steps share.
class Forwarding {
 public:
  // What is referred to outlives it. The request is ready to go out but for the filters of a
  // backend. `came_back`: it is a copy that an agent sent to a mirror. REQUIRES: `record` has its
  // rule.
  Forwarding(WorkerContext& worker, ServerExchange& exchange, ExchangeRecord& record,
             const FilterContext& filters, bool came_back)
      : worker_(worker),
        exchange_(exchange),
        record_(record),
        rule_(*record.rule),
        filters_(filters),
        mirrors_(worker, record.trace, came_back) {}
  ~Forwarding();
  Forwarding(const Forwarding&) = delete;
  Forwarding& operator=(const Forwarding&) = delete;

  Task<> Run();

 private:
  // The backend of the request's session, or the one that chance chooses; begins a session where
  // the rule wants one.
  void Choose();
  // Where the request's session is; none: wherever the pool likes.
  std::optional<size_t> SessionEndpoint() const;
  Task<> Answer(Failure failure);
  // The same where the client's own request may be what failed.
  Task<> AnswerFor(Failure failure);
  // The rule has no backend that could answer: its mirrors get the request, the client `failure`.
  bool NotesEndBeforeRest();
  Task<> ServeWithoutBackend(Failure failure);
  // Further tries, where the rule or the backend wants them for how the first one ended; how the
  // last one did.
  Task<std::optional<Failure>> Retry(std::optional<Failure> failure);
  // No failure: the answer has a status that may be one to try again.
  bool MayRetry(std::optional<Failure> failure) const;
  // `retry` counts from 0. Twice as late each time, so that a backend in trouble is left alone.
  TimePoint NextTry(uint32_t retry);
  Task<std::optional<Failure>> TryAgain(std::optional<Failure> failure, TimePoint at,
                                        std::optional<size_t> endpoint);
  Task<> GiveUpTry(bool answered);
  // Gets the request to the backend and its response head into response_; nothing is left to do but
  // answer with the failure otherwise.
  Task<std::optional<Failure>> Send();
  // Tells the pool how the endpoint did, as far as that was its own doing: a try that ended before
  // its answer, or the answer.
  void JudgeTry(std::optional<Failure> failure);
  void JudgeAnswer(const ResponseBody& body, bool copied);
  void Blame();
  // A connection for the lease; no failure: there is one.
  Task<std::optional<Failure>> Connect(TimePoint latest);
  Task<std::optional<Failure>> SendOnce();
  // Tell the trace of an exchange that is recorded that a try begins, and how the last one went; no failure: it was
  // answered.
  void StartTry();
  void NoteTry(std::optional<Failure> failure);
  BackendCounts& counts() {
    return worker_.metrics.exchanges.backends.Mine(*choice_->backend->series);
  }
  // The client is told where its session is, where it does not know yet.
  void KeepSession();
  Task<> Respond();
  void WriteResponseHead();
  Task<bool> SendWithoutBody(ClientExchange* upstream);
  Task<> Tunnel();

  WorkerContext& worker_;
  ServerExchange& exchange_;
  ExchangeRecord& record_;
  const Rule& rule_;
  const FilterContext& filters_;
  MirrorTee mirrors_;
  const WeightedBackend* choice_ = nullptr;
  const RetryPolicy* retry_ = nullptr;  // The rule's, or else the backend's.
  std::optional<Session> session_;
  ExchangeDeadlines deadlines_;
  UpstreamGuard guard_{deadlines_};
  std::chrono::milliseconds place_wait_{0};  // For a connection, where there may be no more.
  ConnectionPool::Lease lease_;
  RequestBody body_{worker_.io, exchange_, mirrors_, worker_.limits.body_bytes_max};
  ResponseHead& response_{exchange_.response()};
  bool response_begun_ = false;
  bool refused_ = false;  // By the backend, untouched.
  bool stale_ = false;    // The last try died with a connection that was kept from before.
  int refusals_ = 0;
  bool client_lost_ = false;  // The try ended since the client did not take what it was told.
};

}  // namespace apk

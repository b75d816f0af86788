// How long one exchange may take, as a whole and from step to step.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/clock.h"
#include "data-plane/forward/worker_context.h"

namespace apk {

struct ExchangeDeadlines {
  TimePoint exchange = kNoDeadline;      // HTTPRoute timeouts.request.
  std::chrono::milliseconds one_try{0};  // HTTPRoute timeouts.backendRequest; 0: none of its own.
  TimePoint retry = kNoDeadline;         // No retry begins later.
  std::chrono::milliseconds head{0};     // From the request's last byte to the response head.
  std::chrono::milliseconds stall{0};    // Between two reads or writes of a body.

  TimePoint ForOneTry() const { return one_try.count() > 0 ? In(one_try) : exchange; }
  // The earlier one of this exchange's end and of `time` from now.
  TimePoint In(std::chrono::milliseconds time) const {
    return std::min(exchange, std::chrono::steady_clock::now() + time);
  }
};

inline ExchangeDeadlines DeadlinesFor(const Rule& rule, const Backend& backend,
                                      const ForwardLimits& limits) {
  using std::chrono::milliseconds;
  ExchangeDeadlines deadlines;
  deadlines.head = limits.response_timeout;
  if (backend.response_timeout_ms > 0) deadlines.head = milliseconds(backend.response_timeout_ms);
  // A Backend's time-out is for all the tries that its own policy makes.
  const bool backend_retries = !rule.retry.has_value() && backend.retry.has_value();
  if (backend_retries) deadlines.retry = Now() + deadlines.head;
  if (rule.request_timeout_ms > 0) {
    deadlines.head = milliseconds(rule.request_timeout_ms);
    deadlines.exchange = deadlines.retry = std::chrono::steady_clock::now() + deadlines.head;
  }
  if (rule.request_timeout_disabled) {
    deadlines.head = std::chrono::hours(24);
    deadlines.retry = kNoDeadline;
  }
  if (rule.backend_request_timeout_ms > 0) {
    deadlines.head = deadlines.one_try = milliseconds(rule.backend_request_timeout_ms);
  }
  deadlines.stall = backend.idle_timeout_ms > 0 ? milliseconds(backend.idle_timeout_ms)
                                                : limits.response_stall_timeout;
  return deadlines;
}

// Guards one try. The request goes up and the answer comes down at the same time, each with steps
// that wait for somebody; the exchange with the backend has one deadline for both.
class UpstreamGuard {
 public:
  explicit UpstreamGuard(const ExchangeDeadlines& deadlines) : deadlines_(deadlines) {}

  // Before a try begins to connect; `end` is the latest that it may wait.
  TimePoint StartTry() {
    upstream_ = nullptr;
    answer_begun_ = upload_waits_ = false;
    try_end_ = upload_ = answer_ = deadlines_.ForOneTry();
    return try_end_;
  }
  // `upstream` outlives the try.
  void Attach(ClientExchange& upstream) {
    upstream_ = &upstream;
    Apply();
  }

  void UploadWaitsForBackend() {
    upload_waits_ = true;
    SetUpload(In(UploadStall()));
  }
  void UploadWaitsForClient() {
    upload_waits_ = false;
    SetUpload(try_end_);
  }
  void UploadEnded() {
    if (!answer_begun_) answer_ = In(deadlines_.head);
    upload_waits_ = false;
    SetUpload(try_end_);
  }
  void AnswerBegun() {
    answer_begun_ = true;
    if (upload_waits_) upload_ = In(UploadStall());
    SetAnswer(try_end_);
  }
  void AnswerWaitsForBackend() { SetAnswer(In(deadlines_.stall)); }
  void AnswerWaitsForClient() { SetAnswer(try_end_); }

 private:
  TimePoint In(std::chrono::milliseconds time) const {
    return std::min(try_end_, std::chrono::steady_clock::now() + time);
  }
  // A backend that takes nothing and says nothing is late with its answer.
  std::chrono::milliseconds UploadStall() const {
    return answer_begun_ ? deadlines_.stall : std::min(deadlines_.stall, deadlines_.head);
  }
  void SetUpload(TimePoint at) {
    upload_ = at;
    Apply();
  }
  void SetAnswer(TimePoint at) {
    answer_ = at;
    Apply();
  }
  void Apply() { upstream_->SetDeadline(std::min(upload_, answer_)); }

  const ExchangeDeadlines& deadlines_;
  ClientExchange* upstream_ = nullptr;
  bool answer_begun_ = false;
  bool upload_waits_ = false;  // For the backend.
  TimePoint try_end_ = kNoDeadline;
  TimePoint upload_ = kNoDeadline;
  TimePoint answer_ = kNoDeadline;
};

}  // namespace apk

// How long one exchange may take, as a whole and from step to step.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/clock.h"
#include "data-plane/forward/worker_context.h"

namespace apk {

struct ExchangeDeadlines {
  TimePoint exchange = kNoDeadline;    // HTTPRoute timeouts.request.
  std::chrono::milliseconds head{0};   // From the last byte sent to the response head.
  std::chrono::milliseconds stall{0};  // Between two reads of a response body.

  TimePoint ForHead() const { return std::min(exchange, std::chrono::steady_clock::now() + head); }
  TimePoint ForBody() const { return std::min(exchange, std::chrono::steady_clock::now() + stall); }
};

inline ExchangeDeadlines DeadlinesFor(const Rule& rule, const Backend& backend,
                                      const ForwardLimits& limits) {
  using std::chrono::milliseconds;
  ExchangeDeadlines deadlines;
  deadlines.head = limits.response_timeout;
  if (backend.response_timeout_ms > 0) deadlines.head = milliseconds(backend.response_timeout_ms);
  if (rule.request_timeout_ms > 0) {
    deadlines.head = milliseconds(rule.request_timeout_ms);
    deadlines.exchange = std::chrono::steady_clock::now() + deadlines.head;
  }
  if (rule.request_timeout_disabled) deadlines.head = std::chrono::hours(24);
  if (rule.backend_request_timeout_ms > 0) {
    deadlines.head = milliseconds(rule.backend_request_timeout_ms);
  }
  deadlines.stall = backend.idle_timeout_ms > 0 ? milliseconds(backend.idle_timeout_ms)
                                                : limits.response_stall_timeout;
  return deadlines;
}

}  // namespace apk

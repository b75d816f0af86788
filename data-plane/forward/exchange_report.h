// What one exchange comes to: noted as it goes; counted, and written to the access log, when it is
// over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "data-plane/forward/exchange_trace.h"
#include "data-plane/forward/failure.h"
#include "data-plane/forward/worker_context.h"
#include "data-plane/session/exchange.h"

namespace apk {

// Points into the table that serves the exchange.
struct ExchangeRecord {
  const Listener* listener = nullptr;
  const Rule* rule = nullptr;
  const Backend* backend = nullptr;
  std::optional<size_t> endpoint;  // Index into its endpoints; none before one was chosen.
  uint16_t status = 0;             // Of the answer; 0: there was none.
  bool cut_off = false;            // The answer did not go out whole.
  std::string_view failure;        // Why; static. "": none.
  uint64_t bytes_in = 0;           // Of the request's body, as far as it was read for the answer,
  uint64_t bytes_out = 0;          // and of the answer's.
  TimePoint sent{};                // The first try begins; epoch: there was none.
  TimePoint answered{};            // The backend's head is there; epoch: it never was.
  TimePoint ended{};               // The client has the answer; epoch: when the report ends.
  ExchangeTrace* trace = nullptr;  // nullptr: the exchange is not recorded.

  void Fail(Failure why) { failure = FailureName(why); }
};

// Lives as long as its exchange is served: what it was given outlives it, and the table is the one
// in use.
class ExchangeReport {
 public:
  ExchangeReport(WorkerContext& worker, const Arrival& arrival, ServerExchange& exchange);
  ~ExchangeReport();
  ExchangeReport(const ExchangeReport&) = delete;
  ExchangeReport& operator=(const ExchangeReport&) = delete;

  ExchangeRecord& record() { return record_; }

 private:
  // Of the request, before it is changed on its way; only where they are to be logged.
  struct Received {
    std::string host;
    std::string user_agent;
    std::string trace_id;
  };
  void Log(TimePoint end) const;

  WorkerContext& worker_;
  const Arrival& arrival_;
  ServerExchange& exchange_;
  const TimePoint begun_;
  ExchangeRecord record_;
  Received received_;
  std::unique_ptr<ExchangeTrace> trace_;
};

}  // namespace apk

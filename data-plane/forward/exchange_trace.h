// The spans of one exchange that is recorded: the gateway's own, one for each try at a backend, one
// for each copy that goes to a mirror. Attributes are OpenTelemetry's, and apk.* for what only this
// gateway knows. Queries are left out: they may carry secrets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "data-plane/forward/failure.h"
#include "data-plane/forward/worker_context.h"
#include "data-plane/session/exchange.h"
#include "data-plane/tracing/tracer.h"

namespace apk {

struct ExchangeRecord;

// Lives as long as its exchange is served; one thread.
class ExchangeTrace {
 public:
  // nullptr where the exchange is not recorded.
  static std::unique_ptr<ExchangeTrace> Begin(Tracer& tracer, const Arrival& arrival,
                                              ServerExchange& exchange);
  ExchangeTrace(Tracer& tracer, SpanPtr server) : tracer_(tracer), server_(std::move(server)) {}

  const TraceId& trace_id() const { return server_->trace; }

  // `path`: as `match` saw it.
  void SetRoute(const MatchedPath& match, std::string_view path);

  // Ends the try before it, where there is one.
  void StartTry(const Backend& backend, const RequestHead& request);
  // The field that says that what it sends is that try's work.
  std::string_view try_parent() const { return try_parent_; }
  // How the try that was started last went; no failure: the backend answered `status`, and the rest
  // of its answer comes.
  void NoteTry(size_t endpoint, std::optional<Failure> failure, uint16_t status);

  // The span of a copy, to be ended by whoever the copy goes to; nullptr where copies are not
  // recorded.
  SpanPtr StartCopy(const Mirror& mirror, size_t endpoint, const RequestHead& request);
  // What the mirror is told of it.
  std::string CopyParent(const SpanPtr& copy) const;
  SpanBuffer* copies() { return tracer_.copies(); }
  SpanBuffer& spans() { return tracer_.spans(); }

  // Everything that is still open ends, `took` after the exchange began.
  void End(const ExchangeRecord& record, std::chrono::steady_clock::duration took);

 private:
  void EndTry(WallTime at);
  SpanPtr BeginClient(const RequestHead& request);

  Tracer& tracer_;
  SpanPtr server_;
  SpanPtr try_;                       // nullptr: none was started, or it ended.
  const Backend* backend_ = nullptr;  // Of the try,
  std::string try_path_;              // and what it asks that for.
  std::string try_parent_;
  int tries_ = 0;
};

}  // namespace apk

// Who calls decides (W3C Trace Context 4.3); where nobody has, the sampler does.
#include "data-plane/tracing/tracer.h"

#include "common/strings.h"

namespace apk {
namespace {

constexpr std::string_view kTraceState = "tracestate";

// Several fields are one list (3.3.1).
std::string TraceStateOf(const HeaderMap& headers) {
  std::string state;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (!EqualsIgnoreCase(headers.name(i), kTraceState)) continue;
    if (!state.empty()) state += ',';
    state += headers.value(i);
  }
  if (state.size() > Span::kTextBytesMax) state.clear();  // Half of an entry would be a wrong one.
  return state;
}

}  // namespace

SpanPtr Tracer::Decide(RequestHead& request) {
  const std::optional<TraceParent> parent = FindTraceParent(request.headers);
  if (!parent.has_value()) return BeginRoot(request);
  if (!parent->sampled) return nullptr;
  auto span = std::make_unique<Span>();
  span->trace = TraceIdOf(parent->trace_id);
  span->parent = SpanIdOf(parent->parent_id);
  span->parent_remote = true;
  span->id = ids_.NextSpan();
  span->trace_state = TraceStateOf(request.headers);
  span->begun = std::chrono::system_clock::now();
  return span;
}

SpanPtr Tracer::BeginRoot(RequestHead& request) {
  if (sampler_.only_parents()) return nullptr;
  const TraceId trace = ids_.NextTrace();
  const SpanId id = ids_.NextSpan();
  request.headers.Remove(kTraceState);  // Of no trace that is known (4.3).
  if (!sampler_.TakesRoot(trace)) {
    request.headers.Set(SpellingOf(HeaderId::kTraceparent), FormatTraceParent(trace, id, false));
    return nullptr;
  }
  auto span = std::make_unique<Span>();
  span->trace = trace;
  span->id = id;
  span->begun = std::chrono::system_clock::now();
  return span;
}

SpanPtr Tracer::BeginClient(const Span& parent) {
  auto span = std::make_unique<Span>();
  span->trace = parent.trace;
  span->id = ids_.NextSpan();
  span->parent = parent.id;
  span->kind = Span::Kind::kClient;
  span->trace_state = parent.trace_state;
  span->begun = std::chrono::system_clock::now();
  return span;
}

Tracing::Tracing(const TracingOptions& options, size_t workers) : sampler_(options.ratio) {
  for (size_t i = 0; i <= workers; ++i) buffers_.push_back(std::make_unique<SpanBuffer>());
  SpanBuffer* const copies = options.copies ? buffers_[workers].get() : nullptr;
  for (size_t i = 0; i < workers; ++i) {
    tracers_.push_back(std::make_unique<Tracer>(sampler_, *buffers_[i], copies));
  }
}

}  // namespace apk

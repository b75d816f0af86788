// Traces as one worker takes part in them: which are recorded, and where their spans go.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "data-plane/http/message.h"
#include "data-plane/tracing/sampler.h"
#include "data-plane/tracing/span_buffer.h"

namespace apk {

struct TracingOptions {
  double ratio = 0;    // See Sampler.
  bool copies = true;  // Those that go to mirrors are recorded where their requests are.
};

// One worker's; its thread only.
class Tracer {
 public:
  // What is referred to outlives it. `copies`: of the mirror thread, which ends the spans of
  // copies; nullptr where these are not recorded.
  Tracer(const Sampler& sampler, SpanBuffer& spans, SpanBuffer* copies)
      : sampler_(sampler), spans_(spans), copies_(copies) {}

  // The span of a request that came in, begun and named after nothing yet; nullptr: it is not
  // recorded. A trace that begins here unrecorded is told to the backend as such by `request`, so
  // that it begins none of its own.
  SpanPtr BeginServer(RequestHead& request) {
    const bool outside = sampler_.only_parents() && !request.headers.Has(HeaderId::kTraceparent);
    return outside ? nullptr : Decide(request);
  }
  // The span of work for `parent`, another server's.
  SpanPtr BeginClient(const Span& parent);
  void Finish(SpanPtr span) { spans_.Push(std::move(span)); }

  SpanBuffer& spans() { return spans_; }
  SpanBuffer* copies() { return copies_; }

 private:
  SpanPtr Decide(RequestHead& request);
  SpanPtr BeginRoot(RequestHead& request);

  const Sampler& sampler_;
  SpanBuffer& spans_;
  SpanBuffer* copies_;
  IdSource ids_;
};

// Those of all workers, and the buffers that they fill. Outlives whoever is given a part of it.
class Tracing {
 public:
  Tracing(const TracingOptions& options, size_t workers);

  Tracer& tracer(size_t worker) { return *tracers_[worker]; }
  // The workers', then the mirror thread's.
  const std::vector<std::unique_ptr<SpanBuffer>>& buffers() const { return buffers_; }

 private:
  const Sampler sampler_;
  std::vector<std::unique_ptr<SpanBuffer>> buffers_;
  std::vector<std::unique_ptr<Tracer>> tracers_;
};

}  // namespace apk

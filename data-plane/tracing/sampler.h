// Which traces are recorded: those that whoever called records, and a share of those that begin
// here. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "data-plane/http/trace_context.h"
#include "data-plane/tracing/trace_ids.h"

namespace apk {

class Sampler {
 public:
  // `ratio` from 0 to 1: of the requests that belong to no trace yet.
  explicit Sampler(double ratio);

  // No trace begins here.
  bool only_parents() const { return threshold_ == 0; }
  // By the id, so that whoever goes by the same ratio decides alike.
  bool TakesRoot(const TraceId& trace) const;

 private:
  uint64_t threshold_;  // Of 2^56.
};

}  // namespace apk

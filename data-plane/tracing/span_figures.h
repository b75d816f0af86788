// What became of spans. Plain values.
#pragma once

#include <cstdint>

namespace apk {

struct SpanFigures {
  uint64_t exported = 0;
  uint64_t dropped = 0;   // No room in a buffer.
  uint64_t failed = 0;    // The collector did not take them, or not in time.
  uint64_t rejected = 0;  // It said so of single ones.
  uint64_t retries = 0;   // Posts of the same batch.
};

}  // namespace apk

// What a copy carries of the trace that its request belongs to, where that is recorded.
#pragma once

#include <cstdint>

#include "data-plane/mirror/mirror_result.h"
#include "data-plane/tracing/span_buffer.h"

namespace apk {

struct MirrorTrace {
  SpanPtr span;              // nullptr: the copy is not recorded.
  SpanBuffer* to = nullptr;  // Of the thread that ends the copy.
  uint16_t status = 0;       // Of the mirror's answer; 0: there was none yet.

  // REQUIRES: there is a span. There is none any more.
  void End(MirrorResult result);
};

}  // namespace apk

// The trace that a request belongs to (W3C Trace Context level 1). Pure.
#pragma once

#include <optional>
#include <string_view>

#include "data-plane/http/message.h"

namespace apk {

// Views into what was parsed.
struct TraceParent {
  std::string_view trace_id;   // 32 lower-case hex digits, not all 0.
  std::string_view parent_id;  // 16, likewise.
  bool sampled = false;        // By who called.
};

// A value of the field traceparent (3.2); nullopt where it is none. Later versions are read as far as this one
// goes (4.3).
std::optional<TraceParent> ParseTraceParent(std::string_view value);

// The request's; nullopt where it has none, more than one, or a bad one.
std::optional<TraceParent> FindTraceParent(const HeaderMap& headers);

}  // namespace apk

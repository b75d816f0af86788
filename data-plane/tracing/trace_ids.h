// Names of traces and spans (W3C Trace Context 3.2.2), and where new ones come from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace apk {

using TraceId = std::array<char, 16>;
using SpanId = std::array<char, 8>;  // All 0: none.

inline std::string_view BytesOf(const TraceId& id) { return {id.data(), id.size()}; }
inline std::string_view BytesOf(const SpanId& id) { return {id.data(), id.size()}; }

// REQUIRES: `hex` is twice as many hex digits in lower case, as TraceParent has them.
TraceId TraceIdOf(std::string_view hex);
SpanId SpanIdOf(std::string_view hex);

// A value of the field traceparent, of version 00.
std::string FormatTraceParent(const TraceId& trace, const SpanId& parent, bool sampled);

// Ids that nobody can guess, the system's random bytes taken many at a time. One thread.
class IdSource {
 public:
  TraceId NextTrace();
  SpanId NextSpan();

 private:
  template <size_t Size>
  std::array<char, Size> Next();

  std::array<char, 2048> bytes_;
  size_t used_ = sizeof bytes_;
};

}  // namespace apk

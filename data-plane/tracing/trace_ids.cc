// An id of zeros only is none (W3C Trace Context 3.2.2.3): it is drawn again.
#include "data-plane/tracing/trace_ids.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/strings.h"

namespace apk {
namespace {

unsigned DigitOf(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

template <size_t Size>
std::array<char, Size> FromHex(std::string_view hex) {
  std::array<char, Size> bytes;
  for (size_t i = 0; i < Size; ++i) {
    bytes[i] = static_cast<char>(DigitOf(hex[2 * i]) << 4 | DigitOf(hex[2 * i + 1]));
  }
  return bytes;
}

// Without random bytes ids would name other traces' spans: no system that boots is without.
void FillWithRandom(char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t got = getrandom(bytes, size, 0);
    if (got < 0 && errno != EINTR) std::abort();
    if (got <= 0) continue;
    bytes += got;
    size -= static_cast<size_t>(got);
  }
}

}  // namespace

TraceId TraceIdOf(std::string_view hex) { return FromHex<sizeof(TraceId)>(hex); }

SpanId SpanIdOf(std::string_view hex) { return FromHex<sizeof(SpanId)>(hex); }

std::string FormatTraceParent(const TraceId& trace, const SpanId& parent, bool sampled) {
  std::string value(54, '0');
  value[2] = value[35] = value[52] = '-';
  WriteHex(BytesOf(trace), value.data() + 3);
  WriteHex(BytesOf(parent), value.data() + 36);
  value += sampled ? '1' : '0';
  return value;
}

template <size_t Size>
std::array<char, Size> IdSource::Next() {
  constexpr std::array<char, Size> kNone{};
  std::array<char, Size> id{};
  while (id == kNone) {
    if (bytes_.size() - used_ < Size) {
      FillWithRandom(bytes_.data(), bytes_.size());
      used_ = 0;
    }
    std::memcpy(id.data(), bytes_.data() + used_, Size);
    used_ += Size;
  }
  return id;
}

TraceId IdSource::NextTrace() { return Next<sizeof(TraceId)>(); }

SpanId IdSource::NextSpan() { return Next<sizeof(SpanId)>(); }

}  // namespace apk

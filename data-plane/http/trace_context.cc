// version "-" trace-id "-" parent-id "-" trace-flags
#include "data-plane/http/trace_context.h"

#include <algorithm>

namespace apk {
namespace {

constexpr size_t kSize = 55;  // Of version 00.

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsId(std::string_view text) {
  return IsLowerHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

unsigned HexDigit(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

}  // namespace

std::optional<TraceParent> ParseTraceParent(std::string_view value) {
  if (value.size() < kSize || value[2] != '-' || value[35] != '-' || value[52] != '-') {
    return std::nullopt;
  }
  const std::string_view version = value.substr(0, 2);
  if (!IsLowerHex(version) || version == "ff") return std::nullopt;
  if (value.size() > kSize && (version == "00" || value[kSize] != '-')) return std::nullopt;
  TraceParent parent;
  parent.trace_id = value.substr(3, 32);
  parent.parent_id = value.substr(36, 16);
  const std::string_view flags = value.substr(53, 2);
  if (!IsId(parent.trace_id) || !IsId(parent.parent_id) || !IsLowerHex(flags)) return std::nullopt;
  parent.sampled = (HexDigit(flags[1]) & 1) != 0;
  return parent;
}

std::optional<TraceParent> FindTraceParent(const HeaderMap& headers) {
  if (!headers.Has(HeaderId::kTraceparent)) return std::nullopt;
  if (headers.Count(HeaderId::kTraceparent) != 1) return std::nullopt;
  return ParseTraceParent(*headers.Get(HeaderId::kTraceparent));
}

}  // namespace apk

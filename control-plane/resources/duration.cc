// One to four numbers of up to five digits, each with its unit.
#include "control-plane/resources/duration.h"

#include <algorithm>
#include <limits>

namespace apk {

std::optional<uint32_t> ParseDurationMs(std::string_view text) {
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  while (!text.empty()) {
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
      number = number * 10 + static_cast<uint64_t>(text[digits++] - '0');
      if (digits > 5) return std::nullopt;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
    uint64_t unit = 0;
    size_t unit_size = 1;
    if (text.starts_with("ms")) {
      unit = 1;
      unit_size = 2;
    } else if (text.starts_with('h')) {
      unit = 3'600'000;
    } else if (text.starts_with('m')) {
      unit = 60'000;
    } else if (text.starts_with('s')) {
      unit = 1000;
    } else {
      return std::nullopt;
    }
    text.remove_prefix(unit_size);
    total += number * unit;
  }
  return static_cast<uint32_t>(std::min<uint64_t>(total, std::numeric_limits<uint32_t>::max()));
}

}  // namespace apk

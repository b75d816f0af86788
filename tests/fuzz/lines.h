// Inputs made of lines.
#pragma once

#include <string_view>

namespace apk {

// Takes the first line off `rest`.
inline std::string_view TakeLine(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace apk

// Helpers on std::string_view: Debian's Abseil has a string_view of its own that does not mix.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// A hash map that is looked up by std::string_view without a copy.
template <class Value>
using StringMap = absl::flat_hash_map<std::string, Value, StringHash, std::equal_to<>>;

inline char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool SameLetters(const char* a, const char* b, size_t size);  // But for case.
inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && SameLetters(a.data(), b.data(), a.size());
}
std::string ToLower(std::string_view text);
// The beginning of it, at most so many bytes, that ends with a whole character of UTF-8 where all of it is UTF-8.
std::string_view CutUtf8(std::string_view text, size_t bytes_max);
std::string_view TrimSpace(std::string_view text);  // Spaces and tabs at both ends.

// Two lower-case hex digits a byte.
std::string Hex(std::string_view bytes);
// The same to where there is room for them; returns the end.
char* WriteHex(std::string_view bytes, char* to);

// Parts are views into text; "a,,b" has three. An empty text has one empty part.
std::vector<std::string_view> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);

template <class... Parts>
std::string Concat(const Parts&... parts) {
  std::string result;
  const std::string_view views[] = {std::string_view(parts)...};
  size_t size = 0;
  for (const std::string_view view : views) size += view.size();
  result.reserve(size);
  for (const std::string_view view : views) result.append(view);
  return result;
}

}  // namespace apk

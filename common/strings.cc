// Helpers on std::string_view. Names of header fields are compared all the time: eight letters at once.
#include "common/strings.h"

#include <cstdint>

#include "common/words.h"

namespace apk {
namespace {

// AsciiLower of each of eight bytes.
inline uint64_t LowerEach(uint64_t bytes) {
  const uint64_t low_bits = bytes & (kEachByte * 0x7f);
  const uint64_t from_a = low_bits + kEachByte * (0x80 - 'A');  // Carries into the highest bit.
  const uint64_t past_z = low_bits + kEachByte * (0x7f - 'Z');
  const uint64_t upper = from_a & ~past_z & ~bytes & kHighBits;
  return bytes | (upper >> 2);
}

}  // namespace

bool SameLetters(const char* a, const char* b, size_t size) {
  if (size >= 8) {
    for (size_t i = 0; i + 8 < size; i += 8) {
      if (LowerEach(LoadWord<uint64_t>(a + i)) != LowerEach(LoadWord<uint64_t>(b + i))) return false;
    }
    const size_t last = size - 8;  // May overlap.
    return LowerEach(LoadWord<uint64_t>(a + last)) == LowerEach(LoadWord<uint64_t>(b + last));
  }
  if (size >= 4) {  // Two halves, which may overlap.
    const uint64_t left = uint64_t{LoadWord<uint32_t>(a)} << 32 | LoadWord<uint32_t>(a + size - 4);
    const uint64_t right = uint64_t{LoadWord<uint32_t>(b)} << 32 | LoadWord<uint32_t>(b + size - 4);
    return LowerEach(left) == LowerEach(right);
  }
  for (size_t i = 0; i < size; ++i) {
    if (AsciiLower(a[i]) != AsciiLower(b[i])) return false;
  }
  return true;
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = AsciiLower(c);
  return lower;
}

char* WriteHex(std::string_view bytes, char* to) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *to++ = kDigits[byte >> 4];
    *to++ = kDigits[byte & 15];
  }
  return to;
}

std::string Hex(std::string_view bytes) {
  std::string digits(2 * bytes.size(), '\0');
  WriteHex(bytes, digits.data());
  return digits;
}

std::string_view CutUtf8(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string_view TrimSpace(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

}  // namespace apk

// What needs no escape is copied in runs.
#include "data-plane/observe/escape.h"

#include <array>
#include <cstddef>

namespace apk {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD.
constexpr char kUpperHex[] = "0123456789ABCDEF";

// ASCII that no form has to escape, which is nearly all there is.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x7F; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// How many bytes the character at the front has; 0 where it is no UTF-8 (RFC 3629 4): a stray or missing
// byte, an overlong form, a surrogate, or beyond U+10FFFF. REQUIRES: text is not empty.
size_t CharacterSize(std::string_view text) {
  const auto at = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i, unsigned least = 0x80, unsigned most = 0xBF) {
    return i < text.size() && at(i) >= least && at(i) <= most;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned least = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned most = first == 0xED ? 0x9F : 0xBF;
    return continues(1, least, most) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned least = first == 0xF0 ? 0x90 : 0x80;
    const unsigned most = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, least, most) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Terminals obey C1 control characters (U+0080 to U+009F) as they do the others.
bool IsControl(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 2) return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
  return character.size() == 1 && (first < 0x20 || first == 0x7F);
}

void AppendHexEscape(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kUpperHex[byte >> 4];
    out += kUpperHex[byte & 15];
  }
}

// `harmful(character)` says what can't stay; `replace(bytes, valid)` appends what stands for it.
template <class Harmful, class Replace>
void AppendEscaped(std::string& out, std::string_view value, Harmful harmful, Replace replace) {
  size_t run = 0;  // From here on nothing was copied yet.
  for (size_t i = 0; i < value.size();) {
    if (kPlain[static_cast<unsigned char>(value[i])]) {
      ++i;
      continue;
    }
    const size_t size = CharacterSize(value.substr(i));
    const std::string_view bytes = value.substr(i, size == 0 ? 1 : size);
    i += bytes.size();
    if (size != 0 && !harmful(bytes)) continue;
    out += value.substr(run, i - bytes.size() - run);
    replace(bytes, size != 0);
    run = i;
  }
  out += value.substr(run);
}

}  // namespace

void AppendTextEscaped(std::string& out, std::string_view value) {
  AppendEscaped(
      out, value,
      [](std::string_view c) { return IsControl(c) || c == "\"" || c == "\\"; },
      [&out](std::string_view bytes, bool) { AppendHexEscape(out, bytes); });
}

void AppendJsonEscaped(std::string& out, std::string_view value) {
  AppendEscaped(
      out, value,
      [](std::string_view c) { return IsControl(c) || c == "\"" || c == "\\"; },
      [&out](std::string_view bytes, bool valid) {
        if (!valid) {
          out += kReplacement;
        } else if (bytes == "\"" || bytes == "\\") {
          out += '\\';
          out += bytes;
        } else {
          const auto code = static_cast<unsigned char>(bytes.back());  // Below U+00A0 they are the same.
          out += "\\u00";
          out += kUpperHex[code >> 4];
          out += kUpperHex[code & 15];
        }
      });
}

void AppendLabelEscaped(std::string& out, std::string_view value) {
  AppendEscaped(
      out, value, [](std::string_view c) { return c == "\"" || c == "\\" || c == "\n"; },
      [&out](std::string_view bytes, bool valid) {
        if (!valid) {
          out += kReplacement;
        } else {
          out += '\\';
          out += bytes == "\n" ? "n" : bytes;
        }
      });
}

void AppendUtf8(std::string& out, std::string_view value) {
  AppendEscaped(
      out, value, [](std::string_view) { return false; },
      [&out](std::string_view, bool) { out += kReplacement; });
}

}  // namespace apk

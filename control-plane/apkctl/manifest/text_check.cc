// yaml-cpp would put replacement characters in silently, and take U+0004 for the end of the file.
#include "control-plane/apkctl/manifest/text_check.h"

#include "common/strings.h"

namespace apk {
namespace {

uint8_t ByteAt(std::string_view text, size_t index) { return static_cast<uint8_t>(text[index]); }

bool IsControl(uint8_t byte) {
  return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
}

}  // namespace

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  uint32_t code = first & (0xffU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((ByteAt(text, i) & 0xc0U) != 0x80) return 0;
    code = code << 6 | (ByteAt(text, i) & 0x3fU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return overlong || surrogate || code > 0x10ffff ? 0 : length;
}

std::optional<YamlProblem> FindBadText(std::string_view text) {
  YamlProblem at{.line = 1, .column = 1, .message = ""};
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    at.message = "is UTF-16; save the file as UTF-8";
    return at;
  }
  while (!text.empty()) {
    const uint8_t byte = ByteAt(text, 0);
    const size_t length = Utf8Length(text);
    if (length == 0) {
      at.message = Concat("the byte 0x", Hex(text.substr(0, 1)), " is no UTF-8; save the file as UTF-8");
      return at;
    }
    if (IsControl(byte)) {
      at.message = Concat("the control character 0x", Hex(text.substr(0, 1)),
                          " can't stand here; in a quoted text write it as an escape");
      return at;
    }
    text.remove_prefix(length);
    at.column += static_cast<uint32_t>(length);
    if (byte != '\n') continue;
    ++at.line;
    at.column = 1;
  }
  return std::nullopt;
}

}  // namespace apk

#include "control-plane/apkctl/printable.h"

#include <array>
#include <cstdio>

#include "control-plane/apkctl/manifest/text_check.h"

namespace apk {

std::string Printable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const size_t length = Utf8Length(text);
    const bool c1 = length == 2 && byte == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (length == 0 || byte < 0x20 || byte == 0x7f || c1) {
      const unsigned code = c1 ? static_cast<unsigned char>(text[1]) : byte;
      std::array<char, 5> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x%02x", code);
      shown += escape.data();
    } else {
      shown += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

}  // namespace apk

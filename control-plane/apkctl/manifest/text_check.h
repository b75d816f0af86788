// What must hold of a manifest's text before anything reads it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace apk {

struct YamlProblem {
  uint32_t line = 0;    // From 1.
  uint32_t column = 0;  // From 1, in bytes.
  std::string message;
};

// Length in bytes of the UTF-8 character that `text` begins with (RFC 3629: no overlong form, no
// surrogate, nothing above U+10FFFF); 0 where it begins with none.
size_t Utf8Length(std::string_view text);

// The first byte that is no UTF-8, or a control character that no YAML or JSON may have.
std::optional<YamlProblem> FindBadText(std::string_view text);

}  // namespace apk

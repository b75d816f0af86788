// Text of unknown origin, made harmless for a terminal. Pure.
#pragma once

#include <string>
#include <string_view>

namespace apk {

// Control characters (C0, DEL, C1: what escape sequences begin with), line ends included, and bytes
// that are no UTF-8 become "\x1b"; everything else stays.
std::string Printable(std::string_view text);

}  // namespace apk

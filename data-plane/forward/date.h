// The Date field (RFC 9110 5.6.7), made once a second and thread.
#pragma once

#include <string_view>

namespace apk {

std::string_view HttpDate();  // Valid until the next call on this thread.

}  // namespace apk

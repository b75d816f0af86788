// Random names that nobody guesses and nobody else has.
#pragma once

#include <string>

namespace apk {

// A random UUID (RFC 9562 5.4) in lower case. Ends the process where there is no randomness: nothing would be
// safe then.
std::string NewUuid();

}  // namespace apk

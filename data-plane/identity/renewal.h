// When a certificate is to be renewed, and how long to wait after a failure. Pure.
#pragma once

#include <chrono>

#include "data-plane/identity/node_key.h"

namespace apk {

// After half of its life and up to a fifth of it more: `random` is between 0 and 1, so that a fleet
// that joined at once does not come at once.
SystemTime RenewalTime(const Validity& validity, double random);

// Before the next attempt, after `failures` in a row, at least 1: doubled each time, up to 10
// minutes or a twentieth of the life, what is shorter. `random` as above.
std::chrono::milliseconds RetryPause(int failures, std::chrono::seconds life, double random);

}  // namespace apk

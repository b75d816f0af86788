// How an agent that trusts nobody yet finds the authority that its join token names.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <string>

namespace apk {

// Connects to host:port by TLS, believes nothing, and takes that certificate of the chain it is
// shown whose SHA-256 is `hash` (hex), as PEM. Nothing is sent. UNAVAILABLE where nobody answers,
// PERMISSION_DENIED where who answers shows no such certificate. Blocking, for `patience` at a
// time.
absl::StatusOr<std::string> FetchTrustAnchor(const std::string& address, const std::string& hash,
                                             std::chrono::seconds patience);

}  // namespace apk

// What an authority says of a certificate (RFC 6960), as servers pass it on to their clients (RFC
// 6066 8). For net/ only.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "common/clock.h"
#include "data-plane/net/tls_pem.h"

namespace apk {

struct OcspStaple {
  std::string response;  // DER.
  WallTime until;        // Its next update: clients believe it no longer then.
};

// A response that clients can take: it says that the first certificate of `chain` is good, today,
// and is signed by the one that has issued it, where that is in the chain. An error says what it is
// instead.
absl::StatusOr<OcspStaple> ReadOcspStaple(const std::string& response,
                                          const std::vector<X509Ptr>& chain, WallTime now);

}  // namespace apk

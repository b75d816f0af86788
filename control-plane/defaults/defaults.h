// What exists from the start, as WSO2 APK's installation brings it: the GatewayClass, a Gateway
// with a development certificate, and the token route. Ordinary objects, applied once to an empty
// store.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "control-plane/identity/certificate_authority.h"

namespace apk {

struct DefaultsOptions {
  bool gateway = true;  // Otherwise the GatewayClass and the namespaces alone.
  uint16_t gateway_port = 9095;
  uint16_t token_port = 0;  // Of the development token issuer on loopback; 0: it is off.
};

absl::StatusOr<v1::ApplyRequest> MakeDefaults(const DefaultsOptions& options,
                                              const CertificateAuthority& authority);

// The objects that name the issuer's port, for a start on another port than the last.
v1::ApplyRequest MakeTokenRoute(const DefaultsOptions& options,
                                const CertificateAuthority& authority);

}  // namespace apk

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
  std::string token_host = "127.0.0.1";  // Where agents reach the development token issuer.
  uint16_t token_port = 0;               // 0: it is off.
};

inline constexpr char kJwksPath[] = "/oauth2/jwks";
// Where agents get the development token issuer's keys.
std::string JwksUrl(const DefaultsOptions& options);

// What the gateway can't do without: the namespaces of objects without one and of its own objects,
// the GatewayClass, and the Secret that signs sessions.
v1::ApplyRequest MakeEssentials();

absl::StatusOr<v1::ApplyRequest> MakeDefaults(const DefaultsOptions& options,
                                              const CertificateAuthority& authority);

// The objects of the development token issuer: Backend and HTTPRoute, and the TokenIssuer that makes
// agents trust it.
v1::ApplyRequest MakeTokenRoute(const DefaultsOptions& options,
                                const CertificateAuthority& authority);

}  // namespace apk

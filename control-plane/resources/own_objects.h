// Names of objects that the control plane makes itself, where more than one part must know them.
#pragma once

namespace apk {

// The TokenIssuer in namespace "default" that makes agents trust the development token issuer.
inline constexpr char kDevelopmentIssuerName[] = "development-issuer";

}  // namespace apk

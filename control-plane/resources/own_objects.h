// Objects that the control plane makes itself and keeps as its flags want them.
#pragma once

#include "control-plane/resources/resource_set.h"

namespace apk {

// The namespace of most of them.
inline constexpr char kOwnNamespace[] = "apk-system";

// The TokenIssuer in namespace "default" that makes agents trust the development token issuer.
inline constexpr char kDevelopmentIssuerName[] = "development-issuer";

// No rollback, prune, export or restore touches them.
bool IsOwnObject(const ResourceKey& key);

}  // namespace apk

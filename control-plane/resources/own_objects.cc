// By their names: whoever else made an object of such a name has it overwritten at the next start.
#include "control-plane/resources/own_objects.h"

namespace apk {

bool IsOwnObject(const ResourceKey& key) {
  const bool is_issuer = key.kind == "TokenIssuer" && key.namespace_name == "default" &&
                         key.name == kDevelopmentIssuerName;
  return is_issuer || key.namespace_name == kOwnNamespace;
}

}  // namespace apk

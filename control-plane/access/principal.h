// Who asks, as roles, the audit log and the history know them. A value.
#pragma once

#include <string>
#include <vector>

#include "control-plane/identity/spiffe.h"

namespace apk {

struct Principal {
  std::string name;                 // The URI of a certificate, or "oidc:ann@example.org".
  std::vector<std::string> groups;  // kTokenPrefix before each; a certificate names none.
};

}  // namespace apk

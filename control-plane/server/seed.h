// What a start makes sure of: the objects that the gateway can't do without, and those of the
// development token issuer. What is there stays as its user left it.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "control-plane/admin/configuration.h"
#include "control-plane/defaults/defaults.h"
#include "control-plane/identity/certificate_authority.h"

namespace apk {

struct SeedOptions {
  DefaultsOptions defaults;
  // Names and addresses of this control plane: an object of the issuer that points to one of them
  // follows it to another address or port.
  std::vector<std::string> own_hosts;
  bool shared = false;  // The store is other control planes', too.
};

// An empty store gets the defaults. Another gets what it lacks of the essentials, and the token
// issuer's objects, which are removed where the issuer is off
// (defaults.token_port is 0). REQUIRES: the configuration is loaded.
absl::Status Seed(const SeedOptions& options, const CertificateAuthority& authority,
                  Configuration& configuration);

}  // namespace apk

// The certificates that the control plane makes on its first start, in <data-dir>/pki.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "control-plane/identity/certificate_authority.h"

namespace apk {

struct Identity {
  std::string directory;  // <data-dir>/pki
  std::unique_ptr<CertificateAuthority> authority;
  KeyPair server;
};

// Makes what is missing or about to expire: ca, server, admin and agent. `names`: further DNS names
// or IP addresses that the server is reached by.
absl::StatusOr<Identity> OpenIdentity(const std::string& data_dir,
                                      const std::vector<std::string>& names);

// Writes <out>/ca.crt, <out>/<name>.crt and .key. `role` is "agent" or "user".
absl::Status IssueClientCertificate(const CertificateAuthority& authority, const std::string& role,
                                    const std::string& name, const std::string& out);

// <data-dir>/apkctl.yaml, so that apkctl on this machine needs no flags but --config.
absl::Status WriteClientConfig(const std::string& data_dir, const std::string& server);

}  // namespace apk

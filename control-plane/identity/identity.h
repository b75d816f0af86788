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

struct IdentityOptions {
  std::vector<std::string> names;  // Further DNS names or IP addresses that the server is reached by.
  bool may_make_authority = true;  // False where something was stored under one already.
};

// Makes what is missing or about to expire: ca, server, admin and agent. DATA_LOSS where the
// authority is lost.
absl::StatusOr<Identity> OpenIdentity(const std::string& data_dir, const IdentityOptions& options);
// True where there is an authority, or what is left of one.
bool HasIdentity(const std::string& data_dir);

// Writes <out>/ca.crt, <out>/<name>.crt and .key. `role` is "agent" or "user".
absl::Status IssueClientCertificate(const CertificateAuthority& authority, const std::string& role,
                                    const std::string& name, const std::string& out);

// <data-dir>/apkctl.yaml where it is not the same already, so that apkctl on this machine needs no flags but --config.
absl::Status WriteClientConfig(const std::string& data_dir, const std::string& server);

}  // namespace apk

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

// The authority in <data-dir>/pki, made where there is none and it may be. DATA_LOSS where it is
// lost.
absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenAuthority(const std::string& data_dir,
                                                                    bool may_make);
// Has <data-dir>/pki say whose certificates to trust where the authority itself is kept elsewhere.
// FAILED_PRECONDITION where another authority is there.
absl::Status KeepForeignAuthority(const std::string& data_dir,
                                  const CertificateAuthority& authority);

// Makes what is missing or about to expire: server, admin and agent. `names`: further DNS names or IP
// addresses that the server is reached by.
absl::StatusOr<Identity> OpenIdentity(const std::string& data_dir,
                                      std::unique_ptr<CertificateAuthority> authority,
                                      const std::vector<std::string>& names);
// True where there is an authority, or what is left of one.
bool HasIdentity(const std::string& data_dir);

// Writes <out>/ca.crt, <out>/<name>.crt and .key. `role` is "agent" or "user".
absl::Status IssueClientCertificate(const CertificateAuthority& authority, const std::string& role,
                                    const std::string& name, const std::string& out);

// <data-dir>/apkctl.yaml where it is not the same already, so that apkctl on this machine needs no flags but --config.
absl::Status WriteClientConfig(const std::string& data_dir, const std::string& server);

}  // namespace apk

// The certificates of the control plane: those that it makes on its first start, in <data-dir>/pki,
// or those of an authority that others run.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "control-plane/identity/certificate_authority.h"
#include "control-plane/identity/served_certificate.h"
#include "control-plane/identity/trust.h"

namespace apk {

struct Identity {
  std::string directory;  // <data-dir>/pki
  // The built-in one as it was at the start, which signs for development, whoever signs for agents
  // and users.
  std::shared_ptr<const CertificateAuthority> authority;
  KeyPair development_server;                 // Of the token issuer.
  std::shared_ptr<ServedCertificate> server;  // Of the APIs; another one whenever `trust` is.
  std::shared_ptr<TrustInForce> trust;
  // Where the authority of agents and users is another than the built-in one.
  bool external = false;
};

// Paths of PEM files; "": not given.
struct ExternalIdentity {
  std::string ca_certificate;  // One or several.
  std::string ca_key;          // Of one of them.
  std::string server_certificate;
  std::string server_key;
  std::string trust_domain = std::string(kDefaultTrustDomain);  // Of the URIs in certificates.

  bool empty() const {
    return ca_certificate.empty() && ca_key.empty() && server_certificate.empty() &&
           server_key.empty();
  }
};

// The authority in <data-dir>/pki, made where there is none and it may be. DATA_LOSS where it is
// lost.
absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenAuthority(const std::string& data_dir,
                                                                    bool may_make);
// Has <data-dir>/pki say whose certificates to trust where the authority itself is kept elsewhere.
// FAILED_PRECONDITION where another authority is there.
absl::Status KeepForeignAuthority(const std::string& data_dir,
                                  const CertificateAuthority& authority);

// Makes the server's certificate. `names`: further DNS names or IP
// addresses that the server is reached by.
absl::StatusOr<Identity> OpenIdentity(const std::string& data_dir,
                                      std::unique_ptr<CertificateAuthority> authority,
                                      const std::vector<std::string>& names);
// Makes those of the user "admin" and of the agent "default" where they are missing, about to
// expire, or an older authority's.
absl::Status IssueFirstCertificates(const std::string& directory,
                                    const CertificateAuthority& authority);
// All of that in <data-dir>/pki that is another authority's; its key where there is one.
absl::Status WriteAuthorityFiles(const std::string& directory,
                                 const CertificateAuthority& authority);
// INVALID_ARGUMENT where it is no name, or there is no external authority that it could be of.
absl::Status CheckTrustDomain(const ExternalIdentity& files);
// Has agents, users and the APIs be certified by another authority than the built-in one.
// INVALID_ARGUMENT, which names the flag, where the files are not what they should be.
absl::Status UseExternal(const ExternalIdentity& files, Identity& identity);
// The signer alone.
absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenExternalAuthority(
    const ExternalIdentity& files);
// True where there is an authority, or what is left of one.
bool HasIdentity(const std::string& data_dir);

// Whom a certificate is for.
struct CertificateSubject {
  std::string role;  // "agent" or "user".
  std::string name;
  Labels labels = {};  // Of an agent.
};
// Writes <out>/ca.crt, <out>/<name>.crt and .key.
absl::Status IssueClientCertificate(const CertificateAuthority& authority,
                                    const CertificateSubject& subject, const std::string& out);

// <data-dir>/apkctl.yaml where it is not the same already, so that apkctl on this machine needs no
// flags but --config.
absl::Status WriteClientConfig(const std::string& data_dir, const std::string& server);

}  // namespace apk

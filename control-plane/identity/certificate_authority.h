// The control plane's own CA (ECDSA P-256): it signs the server's, agents' and users' certificates,
// and those of development listeners. Immutable once it is set up; thread-safe from then on.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/labels.h"
#include "control-plane/identity/signing_request.h"
#include "control-plane/identity/spiffe.h"

typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace apk {

struct KeyPair {
  std::string certificate_pem;  // Leaf, then the CA.
  std::string key_pem;
};

struct CertificateRequest {
  std::string common_name = {};
  std::vector<std::string> dns_names = {};
  std::vector<std::string> ip_addresses = {};
  std::string uri = {};
  Labels labels = {};  // Of an agent.
  std::chrono::seconds life = std::chrono::hours(24 * 365);
  bool server = false;
  bool client = false;
};

class CertificateAuthority {
 public:
  // Reads ca.crt and ca.key of `directory`. NOT_FOUND where neither is there, DATA_LOSS where one
  // is lost or they do not belong together.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> Open(const std::string& directory);
  // Makes both, whatever an interrupted first start left.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> Make(const std::string& directory);
  // A new one that is in no file; FromPem takes what ToPem gave. DATA_LOSS where it is damaged.
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> MakeUnsaved();
  static absl::StatusOr<std::unique_ptr<CertificateAuthority>> FromPem(const std::string& pem);
  // Of the URIs in the certificates that it signs for agents and users.
  const std::string& trust_domain() const { return trust_domain_; }
  void SetTrustDomain(std::string trust_domain) { trust_domain_ = std::move(trust_domain); }
  std::string ToPem() const { return key_pem_ + certificate_pem_; }  // Its private key, too.
  const std::string& key_pem() const { return key_pem_; }
  // Others that are trusted beside it, and its own certificate as one of them has signed it, which
  // then comes with what it signs; both may be "".
  void SetOthers(std::string others_pem, std::string cross_pem);
  const std::string& others_pem() const { return others_pem_; }
  std::string trust_pem() const { return certificate_pem_ + others_pem_; }
  // The other one's certificate, signed by this one.
  absl::StatusOr<std::string> CrossSign(const CertificateAuthority& other) const;

  // With a key of its own, and for one that there is.
  absl::StatusOr<KeyPair> Issue(const CertificateRequest& request) const;
  absl::StatusOr<KeyPair> IssueAnew(const std::string& key_pem,
                                    const CertificateRequest& request) const;
  // For a key that somebody else has; the chain as PEM, which ends with the authority. What else
  // the signing request asks for is not heeded.
  absl::StatusOr<std::string> IssueFor(const SigningRequest& key,
                                       const CertificateRequest& request) const;
  const std::string& certificate_pem() const { return certificate_pem_; }

 private:
  CertificateAuthority() = default;
  absl::Status Generate();
  absl::Status Parse(const std::string& key_pem);
  absl::StatusOr<std::string> Sign(EVP_PKEY* key, const CertificateRequest& request) const;

  std::string trust_domain_ = std::string(kDefaultTrustDomain);
  std::string certificate_pem_;
  std::string key_pem_;
  std::string others_pem_;
  std::string cross_pem_;
  std::shared_ptr<X509> certificate_;
  std::shared_ptr<EVP_PKEY> key_;
};

// True while the first certificate of the PEM is valid for at least `days` more.
bool ValidForDays(const std::string& certificate_pem, int days);
// When the first certificate of the PEM ends, in Unix time; 0 where there is none.
int64_t CertificateEnd(const std::string& certificate_pem);
// SHA-256 of the first certificate of the PEM, 64 hex digits; "" where there is none.
std::string CertificateHash(const std::string& certificate_pem);

}  // namespace apk

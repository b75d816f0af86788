// The control plane's own CA (ECDSA P-256): it signs the server's, agents' and users' certificates,
// and those of development listeners. Immutable once open; thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace apk {

struct KeyPair {
  std::string certificate_pem;  // Leaf, then the CA.
  std::string key_pem;
};

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::string uri;
  int days = 365;
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
  std::string ToPem() const { return key_pem_ + certificate_pem_; }  // Its private key, too.

  absl::StatusOr<KeyPair> Issue(const CertificateRequest& request) const;
  const std::string& certificate_pem() const { return certificate_pem_; }

 private:
  CertificateAuthority() = default;
  absl::Status Generate();
  absl::Status Parse(const std::string& key_pem);

  std::string certificate_pem_;
  std::string key_pem_;
  std::shared_ptr<X509> certificate_;
  std::shared_ptr<EVP_PKEY> key_;
};

// True while the first certificate of the PEM is valid for at least `days` more.
bool ValidForDays(const std::string& certificate_pem, int days);

}  // namespace apk

// Nothing here asks for a passphrase.
#include "data-plane/net/tls_pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "common/strings.h"

namespace apk {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

BioPtr OpenPem(std::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::Status OpenSslError(std::string_view what) {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0)
    ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return absl::InvalidArgumentError(Concat(what, ": ", text).c_str());
}

std::vector<X509Ptr> ReadCertificates(std::string_view pem) {
  std::vector<X509Ptr> certificates;
  const BioPtr bio = OpenPem(pem);
  for (;;) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr), &X509_free);
    if (next == nullptr) break;
    certificates.push_back(std::move(next));
  }
  ERR_clear_error();  // The end is reported as an error.
  return certificates;
}

absl::Status LoadCertificate(SSL_CTX* context, std::string_view chain_pem,
                             std::string_view key_pem) {
  const std::vector<X509Ptr> chain = ReadCertificates(chain_pem);
  if (chain.empty()) return absl::InvalidArgumentError("certificate: no PEM certificate in it");
  if (SSL_CTX_use_certificate(context, chain[0].get()) != 1) return OpenSslError("certificate");
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return OpenSslError("certificate chain");
    }
  }
  const BioPtr bio = OpenPem(key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr),
                   &EVP_PKEY_free);
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return OpenSslError("private key");
  }
  return absl::OkStatus();
}

absl::Status LoadTrust(SSL_CTX* context, std::string_view ca_pem) {
  const std::vector<X509Ptr> certificates = ReadCertificates(ca_pem);
  if (certificates.empty()) {
    return absl::InvalidArgumentError("CA certificate: no PEM certificate in it");
  }
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  for (const X509Ptr& ca : certificates) {
    if (X509_STORE_add_cert(store, ca.get()) != 1) return OpenSslError("CA certificate");
  }
  return absl::OkStatus();
}

}  // namespace apk

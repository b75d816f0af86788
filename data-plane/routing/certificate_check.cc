// PEM checks with OpenSSL; nothing is kept.
#include "data-plane/routing/certificate_check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace apk {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

constexpr size_t kMaxPemBytes = 1 << 20;

Owned<BIO> Reader(std::string_view pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Without it OpenSSL would ask for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::Status CheckCertificate(std::string_view chain_pem, std::string_view key_pem) {
  if (chain_pem.size() > kMaxPemBytes || key_pem.size() > kMaxPemBytes) {
    return absl::InvalidArgumentError("certificate or key is larger than 1 MiB");
  }
  const Owned<BIO> chain = Reader(chain_pem);
  const Owned<X509> leaf(PEM_read_bio_X509(chain.get(), nullptr, NoPassphrase, nullptr));
  const Owned<BIO> key_reader = Reader(key_pem);
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(key_reader.get(), nullptr, NoPassphrase, nullptr));
  const bool fits = leaf && key && X509_check_private_key(leaf.get(), key.get()) == 1;
  ERR_clear_error();
  if (!leaf) return absl::InvalidArgumentError("certificate chain is no PEM certificate");
  if (!key) return absl::InvalidArgumentError("private key is no PEM key without passphrase");
  if (!fits) return absl::InvalidArgumentError("private key does not belong to the certificate");
  return absl::OkStatus();
}

absl::Status CheckCaCertificates(std::string_view pem) {
  if (pem.size() > kMaxPemBytes) {
    return absl::InvalidArgumentError("CA certificates are larger than 1 MiB");
  }
  const Owned<BIO> reader = Reader(pem);
  const Owned<X509> first(PEM_read_bio_X509(reader.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (!first) return absl::InvalidArgumentError("CA certificate is no PEM certificate");
  return absl::OkStatus();
}

}  // namespace apk

// The only file of translation that includes OpenSSL's X.509.
#include "control-plane/translation/certificate_check.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace apk {
namespace {

constexpr size_t kPemBytesMax = 1 << 20;  // Agents refuse more.

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

BioPtr OpenPem(std::string_view pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

// Without it OpenSSL would ask for a passphrase on the terminal, and wait.
int NoPassphrase(char*, int, int, void*) { return -1; }

X509Ptr ReadCertificate(std::string_view pem) {
  X509Ptr certificate(PEM_read_bio_X509(OpenPem(pem).get(), nullptr, NoPassphrase, nullptr),
                      &X509_free);
  ERR_clear_error();
  return certificate;
}

}  // namespace

std::string CheckKeyPair(std::string_view chain_pem, std::string_view key_pem) {
  if (chain_pem.size() > kPemBytesMax) return "tls.crt is larger than 1 MiB";
  if (key_pem.size() > kPemBytesMax) return "tls.key is larger than 1 MiB";
  const X509Ptr certificate = ReadCertificate(chain_pem);
  if (certificate == nullptr) return "tls.crt holds no PEM certificate";
  const KeyPtr key(PEM_read_bio_PrivateKey(OpenPem(key_pem).get(), nullptr, NoPassphrase, nullptr),
                   &EVP_PKEY_free);
  ERR_clear_error();
  if (key == nullptr) return "tls.key holds no PEM private key without passphrase";
  const bool match = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return match ? "" : "tls.key does not belong to tls.crt";
}

bool HasCertificate(std::string_view pem) {
  return pem.size() <= kPemBytesMax && ReadCertificate(pem) != nullptr;
}

}  // namespace apk

// OpenSSL's objects, freed where they go out of scope.
#include "data-plane/identity/node_key.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

BioPtr OpenPem(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

KeyPtr ParseKey(const std::string& pem) {
  KeyPtr key(PEM_read_bio_PrivateKey(OpenPem(pem).get(), nullptr, nullptr, nullptr),
             &EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

CertificatePtr ParseCertificate(const std::string& pem) {
  CertificatePtr certificate(PEM_read_bio_X509(OpenPem(pem).get(), nullptr, nullptr, nullptr),
                             &X509_free);
  ERR_clear_error();
  return certificate;
}

SystemTime ToSystemTime(const ASN1_TIME* time) {
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> epoch(ASN1_TIME_set(nullptr, 0),
                                                                    &ASN1_TIME_free);
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, epoch.get(), time);
  return SystemTime(std::chrono::hours(24) * days + std::chrono::seconds(seconds));
}

}  // namespace

absl::StatusOr<std::string> NewPrivateKey() {
  const KeyPtr key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  const BioPtr bio(BIO_new(BIO_s_mem()), &BIO_free);
  if (key == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return absl::InternalError("a private key can't be made");
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<std::string> MakeSigningRequest(const std::string& key_pem,
                                               const std::string& common_name) {
  constexpr size_t kCommonNameMax = 64;  // RFC 5280, ub-common-name.
  const KeyPtr key = ParseKey(key_pem);
  if (key == nullptr) return absl::FailedPreconditionError("the private key can't be read");
  const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(X509_REQ_new(), &X509_REQ_free);
  const std::string name = common_name.substr(0, kCommonNameMax);
  X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.data()),
                             static_cast<int>(name.size()), -1, 0);
  X509_REQ_set_pubkey(request.get(), key.get());
  unsigned char* bytes = nullptr;
  const bool made = X509_REQ_sign(request.get(), key.get(), EVP_sha256()) != 0;
  const int size = made ? i2d_X509_REQ(request.get(), &bytes) : 0;
  if (size <= 0) return absl::InternalError("a certificate request can't be made");
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

absl::Status CheckKeyPair(const std::string& certificate_pem, const std::string& key_pem) {
  const CertificatePtr certificate = ParseCertificate(certificate_pem);
  if (certificate == nullptr) return absl::FailedPreconditionError("the certificate can't be read");
  const KeyPtr key = ParseKey(key_pem);
  if (key == nullptr) return absl::FailedPreconditionError("the private key can't be read");
  const bool belong = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (belong) return absl::OkStatus();
  return absl::FailedPreconditionError("the certificate is for another key");
}

absl::StatusOr<Validity> ValidityOf(const std::string& certificate_pem) {
  const CertificatePtr certificate = ParseCertificate(certificate_pem);
  if (certificate == nullptr) return absl::FailedPreconditionError("the certificate can't be read");
  return Validity{.begins = ToSystemTime(X509_get0_notBefore(certificate.get())),
                  .ends = ToSystemTime(X509_get0_notAfter(certificate.get()))};
}

}  // namespace apk

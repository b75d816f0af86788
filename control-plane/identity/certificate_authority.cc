// X.509 by OpenSSL.
#include "control-plane/identity/certificate_authority.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::chrono::hours kCaLife{24 * 3650};
// All have the same: a certificate by which one signs another is "self-issued" then, and the length
// of paths does not count it (RFC 5280, 4.2.1.9).
constexpr char kCaName[] = "APK gateway CA";
constexpr std::chrono::seconds kClocksDiffer{300};
constexpr char kBeginCertificate[] = "-----BEGIN CERTIFICATE-----";
constexpr char kRestore[] =
    "restore both from a back-up, or remove the directory to begin with a new authority, which "
    "every agent and user then needs a new certificate of";

using X509Ptr = std::shared_ptr<X509>;
using KeyPtr = std::shared_ptr<EVP_PKEY>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

absl::Status OpenSslError(std::string_view what) {
  char text[256] = "unknown error";
  if (const unsigned long code = ERR_get_error(); code != 0) {
    ERR_error_string_n(code, text, sizeof text);
  }
  ERR_clear_error();
  return absl::InternalError(Concat(what, ": ", text));
}

KeyPtr NewKey() { return KeyPtr(EVP_EC_gen("P-256"), &EVP_PKEY_free); }

BioPtr OpenPem(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string CertificatePem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(bio.get(), certificate);
  return TakeText(bio.get());
}

std::string KeyPem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return TakeText(bio.get());
}

X509Ptr ParseCertificate(const std::string& pem) {
  return X509Ptr(PEM_read_bio_X509(OpenPem(pem).get(), nullptr, nullptr, nullptr), &X509_free);
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Serial, validity, subject and key: what a CA and a leaf share.
X509Ptr StartCertificate(const std::string& common_name, std::chrono::seconds life, EVP_PKEY* key) {
  X509Ptr certificate(X509_new(), &X509_free);
  unsigned char serial[16];
  RAND_bytes(serial, sizeof serial);
  serial[0] &= 0x7f;  // Positive (RFC 5280 4.1.2.2).
  BIGNUM* const number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate.get()));
  BN_free(number);
  X509_set_version(certificate.get(), X509_VERSION_3);
  // A short life does not begin long ago: it is renewed by its length.
  const std::chrono::seconds before = std::min(kClocksDiffer, life / 10);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -before.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), life.count());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

bool AddCaExtensions(X509* certificate, X509* issuer) {
  return AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
         AddExtension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
         AddExtension(certificate, issuer, NID_subject_key_identifier, "hash");
}

std::string AlternativeNames(const CertificateRequest& request) {
  std::vector<std::string> names;
  for (const std::string& name : request.dns_names) names.push_back("DNS:" + name);
  for (const std::string& address : request.ip_addresses) names.push_back("IP:" + address);
  if (!request.uri.empty()) names.push_back("URI:" + request.uri);
  for (const std::string& label : TextsOf(request.labels)) {
    names.push_back(Concat("URI:", kLabelScheme, label));
  }
  return Join(names, ",");
}

std::string ExtendedUsage(const CertificateRequest& request) {
  if (request.server && request.client) return "serverAuth,clientAuth";
  return request.server ? "serverAuth" : "clientAuth";
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::Open(
    const std::string& directory) {
  const std::string certificate_path = directory + "/ca.crt";
  const std::string key_path = directory + "/ca.key";
  const bool has_certificate = FileExists(certificate_path);
  const bool has_key = FileExists(key_path);
  // A key alone is what a crash of the first start leaves: nothing was signed with it yet.
  const bool signed_nothing = !has_certificate && !FileExists(directory + "/server.crt");
  if (!has_certificate && (!has_key || signed_nothing)) {
    return absl::NotFoundError(Concat("there is no certificate authority in ", directory));
  }
  if (!has_certificate || !has_key) {
    return absl::DataLossError(Concat(has_key ? certificate_path : key_path, " is lost while ",
                                      has_key ? "ca.key" : "ca.crt", " is there: ", kRestore));
  }
  auto authority = std::unique_ptr<CertificateAuthority>(new CertificateAuthority());
  ASSIGN_OR_RETURN(authority->certificate_pem_, ReadFile(certificate_path));
  // Further ones are those that are trusted beside it.
  const size_t others = authority->certificate_pem_.find(kBeginCertificate, 1);
  if (others != std::string::npos) {
    authority->others_pem_ = authority->certificate_pem_.substr(others);
    authority->certificate_pem_.resize(others);
  }
  ASSIGN_OR_RETURN(const std::string key, ReadPrivateFile(key_path));
  if (const absl::Status parsed = authority->Parse(key); !parsed.ok()) {
    return absl::DataLossError(
        Concat(directory, ": ", std::string(parsed.message()), ": ", kRestore));
  }
  return authority;
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::MakeUnsaved() {
  auto authority = std::unique_ptr<CertificateAuthority>(new CertificateAuthority());
  RETURN_IF_ERROR(authority->Generate());
  return authority;
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::FromPem(
    const std::string& pem) {
  const size_t certificate = pem.find(kBeginCertificate);
  if (certificate == std::string::npos) return absl::DataLossError("there is no CA certificate");
  auto authority = std::unique_ptr<CertificateAuthority>(new CertificateAuthority());
  authority->certificate_pem_ = pem.substr(certificate);
  if (const absl::Status parsed = authority->Parse(pem.substr(0, certificate)); !parsed.ok()) {
    return absl::DataLossError(std::string(parsed.message()));
  }
  return authority;
}

absl::StatusOr<std::unique_ptr<CertificateAuthority>> CertificateAuthority::Make(
    const std::string& directory) {
  ASSIGN_OR_RETURN(std::unique_ptr<CertificateAuthority> authority, MakeUnsaved());
  RETURN_IF_ERROR(WriteFile(directory + "/ca.key", authority->key_pem_, 0600));
  RETURN_IF_ERROR(WriteFile(directory + "/ca.crt", authority->certificate_pem_, 0644));
  return authority;
}

absl::Status CertificateAuthority::Parse(const std::string& key_pem) {
  key_pem_ = key_pem;
  certificate_ = ParseCertificate(certificate_pem_);
  key_ = KeyPtr(PEM_read_bio_PrivateKey(OpenPem(key_pem).get(), nullptr, nullptr, nullptr),
                &EVP_PKEY_free);
  if (certificate_ == nullptr || key_ == nullptr ||
      X509_check_private_key(certificate_.get(), key_.get()) != 1) {
    return OpenSslError("ca.crt and ca.key do not belong together");
  }
  return absl::OkStatus();
}

absl::Status CertificateAuthority::Generate() {
  key_ = NewKey();
  if (key_ == nullptr) return OpenSslError("CA key");
  certificate_ = StartCertificate(kCaName, kCaLife, key_.get());
  X509* const certificate = certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  if (!AddCaExtensions(certificate, certificate) ||
      X509_sign(certificate, key_.get(), EVP_sha256()) == 0) {
    return OpenSslError("CA certificate");
  }
  certificate_pem_ = CertificatePem(certificate);
  key_pem_ = KeyPem(key_.get());
  return absl::OkStatus();
}

absl::StatusOr<std::string> CertificateAuthority::Sign(EVP_PKEY* key,
                                                       const CertificateRequest& request) const {
  const X509Ptr leaf = StartCertificate(request.common_name, request.life, key);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
  X509* const issuer = certificate_.get();
  if (!AddExtension(leaf.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(leaf.get(), issuer, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(leaf.get(), issuer, NID_ext_key_usage, ExtendedUsage(request)) ||
      !AddExtension(leaf.get(), issuer, NID_subject_key_identifier, "hash") ||
      !AddExtension(leaf.get(), issuer, NID_authority_key_identifier, "keyid") ||
      !AddExtension(leaf.get(), issuer, NID_subject_alt_name, AlternativeNames(request)) ||
      X509_sign(leaf.get(), key_.get(), EVP_sha256()) == 0) {
    return OpenSslError(Concat("certificate for ", request.common_name));
  }
  return CertificatePem(leaf.get()) + cross_pem_ + certificate_pem_;
}

void CertificateAuthority::SetOthers(std::string others_pem, std::string cross_pem) {
  others_pem_ = std::move(others_pem);
  cross_pem_ = std::move(cross_pem);
}

absl::StatusOr<std::string> CertificateAuthority::CrossSign(
    const CertificateAuthority& other) const {
  const X509Ptr crossed = StartCertificate(kCaName, kCaLife, other.key_.get());
  X509* const issuer = certificate_.get();
  X509_set1_notAfter(crossed.get(), X509_get0_notAfter(issuer));
  X509_set_issuer_name(crossed.get(), X509_get_subject_name(issuer));
  if (!AddCaExtensions(crossed.get(), issuer) ||
      !AddExtension(crossed.get(), issuer, NID_authority_key_identifier, "keyid") ||
      X509_sign(crossed.get(), key_.get(), EVP_sha256()) == 0) {
    return OpenSslError("the new authority's certificate");
  }
  return CertificatePem(crossed.get());
}

absl::StatusOr<KeyPair> CertificateAuthority::Issue(const CertificateRequest& request) const {
  const KeyPtr key = NewKey();
  if (key == nullptr) return OpenSslError("key");
  KeyPair pair;
  ASSIGN_OR_RETURN(pair.certificate_pem, Sign(key.get(), request));
  pair.key_pem = KeyPem(key.get());
  return pair;
}

absl::StatusOr<KeyPair> CertificateAuthority::IssueAnew(const std::string& key_pem,
                                                        const CertificateRequest& request) const {
  const KeyPtr key(PEM_read_bio_PrivateKey(OpenPem(key_pem).get(), nullptr, nullptr, nullptr),
                   &EVP_PKEY_free);
  if (key == nullptr) return OpenSslError("key");
  KeyPair pair{.certificate_pem = "", .key_pem = key_pem};
  ASSIGN_OR_RETURN(pair.certificate_pem, Sign(key.get(), request));
  return pair;
}

absl::StatusOr<std::string> CertificateAuthority::IssueFor(
    const SigningRequest& key, const CertificateRequest& request) const {
  return Sign(key.key.get(), request);
}

bool ValidForDays(const std::string& certificate_pem, int days) {
  const X509Ptr certificate = ParseCertificate(certificate_pem);
  if (certificate == nullptr) return false;
  time_t then = time(nullptr) + 86400L * days;
  return X509_cmp_time(X509_get0_notAfter(certificate.get()), &then) > 0;
}

int64_t CertificateEnd(const std::string& certificate_pem) {
  const X509Ptr certificate = ParseCertificate(certificate_pem);
  tm end{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) {
    return 0;
  }
  return timegm(&end);
}

std::string CertificateHash(const std::string& certificate_pem) {
  const X509Ptr certificate = ParseCertificate(certificate_pem);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (certificate == nullptr || X509_digest(certificate.get(), EVP_sha256(), hash, &size) != 1) {
    return "";
  }
  return Hex(std::string_view(reinterpret_cast<const char*>(hash), size));
}

}  // namespace apk

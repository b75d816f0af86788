// Files of an authority that others run. They are checked at the start: what does not fit is said
// then, and not by every client.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "common/join_token.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/identity/identity.h"

namespace apk {
namespace {

constexpr char kCaCertificate[] = "--ca-cert";
constexpr char kCaKey[] = "--ca-key";
constexpr char kServerCertificate[] = "--server-cert";
constexpr char kServerKey[] = "--server-key";

using CertificatePtr = std::shared_ptr<X509>;
using StorePtr = std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)>;
using VerificationPtr = std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free)>;

BioPtr OpenPem(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
}

std::vector<CertificatePtr> ParseCertificates(const std::string& pem) {
  std::vector<CertificatePtr> certificates;
  const BioPtr bio = OpenPem(pem);
  while (X509* const certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate, &X509_free);
  }
  ERR_clear_error();
  return certificates;
}

std::string PemOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::Status Wrong(const char* flag, const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(Concat(flag, " ", path, ": ", why));
}

absl::StatusOr<std::string> ReadPem(const char* flag, const std::string& path, bool is_private) {
  const absl::StatusOr<std::string> pem = is_private ? ReadPrivateFile(path) : ReadFile(path);
  if (!pem.ok())
    return absl::InvalidArgumentError(Concat(flag, ": ", pem.status().message().data()));
  const bool holds_certificates = !ParseCertificates(*pem).empty();
  if (!is_private && !holds_certificates) return Wrong(flag, path, "there is no certificate (PEM)");
  return *pem;
}

absl::Status CheckServerKey(const ExternalIdentity& files, const KeyPair& server) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PrivateKey(OpenPem(server.key_pem).get(), nullptr, nullptr, nullptr),
      &EVP_PKEY_free);
  const CertificatePtr leaf = ParseCertificates(server.certificate_pem).front();
  const bool belong = key != nullptr && X509_check_private_key(leaf.get(), key.get()) == 1;
  ERR_clear_error();
  if (belong) return absl::OkStatus();
  return Wrong(kServerKey, files.server_key,
               Concat("it is not the key of ", files.server_certificate));
}

// The certificate of the bundle by which the server's is trusted.
absl::StatusOr<std::string> FindAnchor(const ExternalIdentity& files, const std::string& trust_pem,
                                       const std::string& chain_pem) {
  const StorePtr store(X509_STORE_new(), &X509_STORE_free);
  for (const CertificatePtr& trusted : ParseCertificates(trust_pem)) {
    X509_STORE_add_cert(store.get(), trusted.get());
  }
  const std::vector<CertificatePtr> chain = ParseCertificates(chain_pem);
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> between(
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (const CertificatePtr& certificate : chain) sk_X509_push(between.get(), certificate.get());
  const VerificationPtr verification(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509_STORE_CTX_init(verification.get(), store.get(), chain.front().get(), between.get());
  X509_STORE_CTX_set_purpose(verification.get(), X509_PURPOSE_SSL_SERVER);
  const bool verified = X509_verify_cert(verification.get()) == 1;
  const int error = X509_STORE_CTX_get_error(verification.get());
  ERR_clear_error();
  if (!verified) {
    return Wrong(kServerCertificate, files.server_certificate,
                 Concat("clients that trust ", files.ca_certificate,
                        " would refuse it: ", X509_verify_cert_error_string(error)));
  }
  STACK_OF(X509)* const path = X509_STORE_CTX_get0_chain(verification.get());
  return PemOf(sk_X509_value(path, sk_X509_num(path) - 1));
}

absl::StatusOr<KeyPair> ReadServer(const ExternalIdentity& files) {
  KeyPair server;
  ASSIGN_OR_RETURN(server.certificate_pem,
                   ReadPem(kServerCertificate, files.server_certificate, false));
  ASSIGN_OR_RETURN(server.key_pem, ReadPem(kServerKey, files.server_key, true));
  RETURN_IF_ERROR(CheckServerKey(files, server));
  return server;
}

// What was put into the files since. While they are replaced one after the other they don't belong
// together, and the present one stays.
absl::StatusOr<std::optional<KeyPair>> ReadOther(const ExternalIdentity& files,
                                                 const std::string& trust_pem,
                                                 const KeyPair& present) {
  ASSIGN_OR_RETURN(KeyPair server, ReadServer(files));
  if (server.certificate_pem == present.certificate_pem && server.key_pem == present.key_pem) {
    return std::nullopt;
  }
  RETURN_IF_ERROR(FindAnchor(files, trust_pem, server.certificate_pem).status());
  return server;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenExternalAuthority(
    const ExternalIdentity& files) {
  if (files.ca_certificate.empty() || files.ca_key.empty()) {
    return absl::InvalidArgumentError("signing takes both --ca-cert and --ca-key");
  }
  ASSIGN_OR_RETURN(const std::string trust_pem,
                   ReadPem(kCaCertificate, files.ca_certificate, false));
  ASSIGN_OR_RETURN(const std::string key_pem, ReadPem(kCaKey, files.ca_key, true));
  for (const CertificatePtr& certificate : ParseCertificates(trust_pem)) {
    absl::StatusOr<std::unique_ptr<CertificateAuthority>> authority =
        CertificateAuthority::FromPem(key_pem + PemOf(certificate.get()));
    if (!authority.ok()) continue;
    (*authority)->SetTrustDomain(files.trust_domain);
    return authority;
  }
  return Wrong(kCaKey, files.ca_key,
               Concat("it is not the key of a certificate in ", files.ca_certificate));
}

absl::Status CheckTrustDomain(const ExternalIdentity& files) {
  const std::string& domain = files.trust_domain;
  // As SPIFFE has it: lower-case letters, digits, "-", "_" and ".".
  const bool named = IsIdentityName(domain) && ToLower(domain) == domain;
  if (!named) return Wrong("--trust-domain", domain, "must be a name such as example.org");
  if (!files.empty() || domain == kDefaultTrustDomain) return absl::OkStatus();
  return Wrong("--trust-domain", domain, "is for an authority of your own: give --ca-cert, too");
}

absl::Status UseExternal(const ExternalIdentity& files, Identity& identity) {
  if (files.ca_certificate.empty() || files.server_certificate.empty() ||
      files.server_key.empty()) {
    return absl::InvalidArgumentError(
        "an authority of your own takes three files: --ca-cert, --server-cert and --server-key; "
        "with --ca-key it also signs for agents that join");
  }
  identity.external = true;
  Trust trust;
  ASSIGN_OR_RETURN(trust.bundle_pem, ReadPem(kCaCertificate, files.ca_certificate, false));
  ASSIGN_OR_RETURN(const KeyPair server, ReadServer(files));
  ASSIGN_OR_RETURN(trust.anchor_pem, FindAnchor(files, trust.bundle_pem, server.certificate_pem));
  identity.server = std::make_shared<ServedCertificate>(
      server, [files, trust_pem = trust.bundle_pem](const KeyPair& present) {
        return ReadOther(files, trust_pem, present);
      });
  if (!files.ca_key.empty()) {
    ASSIGN_OR_RETURN(trust.signer, OpenExternalAuthority(files));
  }
  identity.trust = std::make_shared<TrustInForce>(std::move(trust));
  return absl::OkStatus();
}

}  // namespace apk

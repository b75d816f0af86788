// The first URI of the trust domain among its alternative names is whom it is for. Authorities that
// write none say it by the subject: O=apk:agents or O=apk:users, and the name as CN.
#include "control-plane/identity/peer_certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>
#include <vector>

#include "common/join_token.h"
#include "common/strings.h"
#include "control-plane/identity/signing_request.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

std::vector<std::string> UrisOf(const X509* certificate) {
  std::vector<std::string> uris;
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
  }
  return uris;
}

std::string SubjectIn(const std::vector<std::string>& uris, std::string_view trust_domain) {
  const std::string prefix = Concat(kScheme, trust_domain, "/");
  for (const std::string_view uri : uris) {
    if (!uri.starts_with(prefix)) continue;
    // A name that can't be written in a revocation is nobody's.
    const std::string_view path = uri.substr(prefix.size());
    const size_t slash = path.find('/');
    const bool named = slash != std::string_view::npos && IsIdentityName(path.substr(slash + 1));
    return named ? Concat(kTrustDomain, path) : "";
  }
  return "";
}

Labels LabelsIn(const std::vector<std::string>& uris) {
  std::vector<std::string_view> texts;
  for (const std::string_view uri : uris) {
    if (uri.starts_with(kLabelScheme)) texts.push_back(uri.substr(kLabelScheme.size()));
  }
  return LabelsOf(texts);
}

// "" where the subject has none or several of it: who is meant must be beyond doubt.
std::string SubjectEntry(const X509* certificate, int nid) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  const int index = X509_NAME_get_index_by_NID(subject, nid, -1);
  if (index < 0 || X509_NAME_get_index_by_NID(subject, nid, index) >= 0) return "";
  const ASN1_STRING* const text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                     static_cast<size_t>(ASN1_STRING_length(text)));
}

std::string UriOfSubject(const X509* certificate) {
  const std::string organization = SubjectEntry(certificate, NID_organizationName);
  const std::string name = SubjectEntry(certificate, NID_commonName);
  if (!IsIdentityName(name)) return "";
  if (organization == "apk:agents") return Concat(kAgentUri, name);
  return organization == "apk:users" ? Concat(kUserUri, name) : "";
}

int64_t UnixTime(const ASN1_TIME* time) {
  const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> epoch(ASN1_TIME_set(nullptr, 0),
                                                               ASN1_TIME_free);
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return 0;
  return int64_t{days} * 86'400 + seconds;
}

}  // namespace

bool PeerCertificate::IsUser() const { return uri.starts_with(kUserUri); }

bool PeerCertificate::IsAgent() const { return uri.starts_with(kAgentUri); }

std::string PeerCertificate::AgentName() const {
  return IsAgent() ? uri.substr(kAgentUri.size()) : "";
}

PeerCertificate PeerOf(const X509* certificate, std::string_view trust_domain) {
  PeerCertificate peer;
  if (certificate == nullptr) return peer;
  const std::vector<std::string> uris = UrisOf(certificate);
  peer.uri = SubjectIn(uris, trust_domain);
  if (peer.uri.empty()) peer.uri = UriOfSubject(certificate);
  if (peer.IsAgent()) peer.labels = LabelsIn(uris);
  peer.expires_unix = UnixTime(X509_get0_notAfter(certificate));
  if (EVP_PKEY* const key = X509_get0_pubkey(certificate); key != nullptr) {
    peer.key_hash = HashOfKey(key);
  }
  return peer;
}

PeerCertificate PeerOfPem(const std::string& pem, std::string_view trust_domain) {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  ERR_clear_error();
  return PeerOf(certificate.get(), trust_domain);
}

}  // namespace apk

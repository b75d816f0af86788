#include "data-plane/agent/redact.h"

#include <gtest/gtest.h>

#include <set>

#include "apk/v1/snapshot.pb.h"

namespace apk {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Fields that can hold text, of a message and all that it contains.
void CollectTexts(const Descriptor& message, std::set<const Descriptor*>& seen,
                  std::set<std::string>& names) {
  if (!seen.insert(&message).second) return;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) names.insert(field.full_name());
    if (field.message_type() != nullptr) CollectTexts(*field.message_type(), seen, names);
  }
}

bool SoundsSecret(const std::string& name) {
  for (const char* const word : {"key", "password", "secret", "credential", "pem", "hash"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

TEST(Redact, AKeyBesideACertificateIsLeftOut) {
  v1::Snapshot snapshot;
  v1::CertificateConfig& certificate = *snapshot.add_resources()->mutable_certificate();
  const std::string chain = "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n";
  certificate.set_certificate_chain_pem(chain);
  RedactSecrets(snapshot);
  EXPECT_EQ(certificate.certificate_chain_pem(), chain);
  certificate.set_certificate_chain_pem(chain + "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n");
  RedactSecrets(snapshot);
  EXPECT_EQ(certificate.certificate_chain_pem().find("c2VjcmV0"), std::string::npos);
}

TEST(Redact, DecidedOnEveryFieldThatSoundsSecret) {
  const std::set<std::string> open = {
      "apk.v1.BackendTlsConfig.ca_pem",
      "apk.v1.BackendTlsConfig.client_certificate_pem",
      "apk.v1.CertificateConfig.certificate_chain_pem",
      "apk.v1.ClientValidationConfig.ca_pem",
      "apk.v1.TokenIssuerConfig.certificate_pem",
      "apk.v1.TokenIssuerConfig.consumer_key_claim",
      "apk.v1.TokenIssuerConfig.jwks_ca_pem"};
  std::set<const Descriptor*> seen;
  std::set<std::string> names;
  CollectTexts(*v1::Snapshot::descriptor(), seen, names);
  for (const std::string& name : names) {
    if (!SoundsSecret(name)) continue;
    EXPECT_NE(IsSecret(name), open.contains(name)) << name;
  }
}

TEST(Redact, LeavesNoSecretBehind) {
  v1::Snapshot snapshot;
  v1::SnapshotResource* const certificate = snapshot.add_resources();
  certificate->set_name("certificate/a");
  certificate->set_hash("SECRET");
  certificate->mutable_certificate()->set_certificate_chain_pem("public");
  certificate->mutable_certificate()->set_private_key_pem("SECRET");
  v1::BackendConfig* const backend = snapshot.add_resources()->mutable_backend();
  backend->mutable_tls()->set_client_key_pem("SECRET");
  v1::HeaderValueConfig* const header = backend->add_set_headers();
  header->set_name("Authorization");
  header->set_value("Basic SECRET");
  snapshot.add_resources()->mutable_installation()->set_mirror_loop_key("SECRET");
  v1::RuleConfig* const rule = snapshot.add_resources()->mutable_route()->add_rules();
  rule->mutable_session_persistence()->set_key("SECRET");
  auto* const set = rule->add_filters()->mutable_request_header_modifier()->add_set();
  set->set_name("X-Api-Key");
  set->set_value("SECRET");
  snapshot.add_resources()->mutable_token_issuer()->set_jwks_url("https://me:SECRET@idp/keys?a=b@c");
  RedactSecrets(snapshot);
  const std::string text = snapshot.DebugString();
  EXPECT_EQ(text.find("SECRET"), std::string::npos) << text;
  EXPECT_EQ(certificate->certificate().certificate_chain_pem(), "public");
  EXPECT_EQ(backend->set_headers(0).name(), "Authorization");
  EXPECT_EQ(snapshot.resources(4).token_issuer().jwks_url(), "https://[redacted]@idp/keys?a=b@c");
}

}  // namespace
}  // namespace apk

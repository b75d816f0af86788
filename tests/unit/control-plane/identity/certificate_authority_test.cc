// What the authority signs for keys of others, and what it reads of it again.
#include "control-plane/identity/certificate_authority.h"

#include <gtest/gtest.h>

#include <ctime>

#include "control-plane/identity/peer_certificate.h"
#include "data-plane/identity/node_key.h"

namespace apk {
namespace {

class IssueForTest : public testing::Test {
 protected:
  void SetUp() override {
    authority_ = *CertificateAuthority::MakeUnsaved();
    key_ = *NewPrivateKey();
    der_ = *MakeSigningRequest(key_, "asks-for-this");
  }
  std::unique_ptr<CertificateAuthority> authority_;
  std::string key_;
  std::string der_;
};

TEST_F(IssueForTest, CertifiesTheKeyAndWhatTheAuthorityWants) {
  const absl::StatusOr<SigningRequest> request = ParseSigningRequest(der_);
  ASSERT_TRUE(request.ok());
  const absl::StatusOr<std::string> chain =
      authority_->IssueFor(*request, {.common_name = "n",
                                      .uri = "spiffe://apk/agent/n",
                                      .life = std::chrono::seconds(100),
                                      .client = true});
  ASSERT_TRUE(chain.ok());
  EXPECT_TRUE(CheckKeyPair(*chain, key_).ok());
  EXPECT_TRUE(chain->ends_with(authority_->certificate_pem()));
  const PeerCertificate peer = PeerOfPem(*chain, "apk");
  EXPECT_EQ(peer.uri, "spiffe://apk/agent/n");
  EXPECT_EQ(peer.key_hash, request->key_hash);
  EXPECT_NEAR(static_cast<double>(peer.expires_unix), static_cast<double>(std::time(nullptr) + 100),
              30);
  const absl::StatusOr<Validity> validity = ValidityOf(*chain);
  ASSERT_TRUE(validity.ok());
  EXPECT_EQ(validity->ends - validity->begins, std::chrono::seconds(110));
}

TEST_F(IssueForTest, AUriIsReadByItsTrustDomain) {
  const std::string chain = *authority_->IssueFor(
      *ParseSigningRequest(der_), {.common_name = "n", .uri = "spiffe://example.org/agent/n"});
  EXPECT_EQ(PeerOfPem(chain, "example.org").uri, "spiffe://apk/agent/n");
  for (const char* other : {"apk", "example", "example.or"}) {
    EXPECT_EQ(PeerOfPem(chain, other).uri, "") << other;
  }
}

TEST_F(IssueForTest, LabelsStandBesideTheNameAndAreAnAgentsAlone) {
  const Labels labels = {{"region", "eu"}, {"apk.example/tier", ""}};
  const SigningRequest key = *ParseSigningRequest(der_);
  const auto issued = [&](const std::string& uri) {
    return PeerOfPem(*authority_->IssueFor(key, {.common_name = "n", .uri = uri, .labels = labels}),
                     "apk");
  };
  EXPECT_EQ(issued("spiffe://apk/agent/n").labels, labels);
  EXPECT_EQ(issued("spiffe://apk/agent/n").uri, "spiffe://apk/agent/n");
  EXPECT_TRUE(issued("spiffe://apk/user/n").labels.empty());
}

TEST_F(IssueForTest, RefusesARequestThatIsNotSignedByItsKey) {
  std::string changed = der_;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  EXPECT_TRUE(absl::IsInvalidArgument(ParseSigningRequest(changed).status()));
  for (const std::string& der : {std::string(), std::string("x"), der_.substr(0, der_.size() / 2),
                                 std::string(20'000, '0')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseSigningRequest(der).status()));
  }
}

TEST_F(IssueForTest, EveryKeyHasAnotherHash) {
  const std::string other = *MakeSigningRequest(*NewPrivateKey(), "asks-for-this");
  EXPECT_NE(ParseSigningRequest(der_)->key_hash, ParseSigningRequest(other)->key_hash);
  EXPECT_EQ(ParseSigningRequest(der_)->key_hash,
            ParseSigningRequest(*MakeSigningRequest(key_, "another"))->key_hash);
}

TEST_F(IssueForTest, ACertificateOfNobodySaysNothing) {
  EXPECT_EQ(PeerOfPem("", "apk").uri, "");
  EXPECT_EQ(PeerOfPem(authority_->certificate_pem(), "apk").uri, "");
  EXPECT_FALSE(PeerOfPem(authority_->certificate_pem(), "apk").IsUser());
  EXPECT_EQ(CertificateHash(authority_->certificate_pem()).size(), 64u);
  EXPECT_EQ(CertificateHash("x"), "");
}

}  // namespace
}  // namespace apk

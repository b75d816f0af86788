// Tokens and certificates, from the request to the answer.
#include "control-plane/enrollment/enrollment.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "common/join_token.h"
#include "data-plane/identity/node_key.h"
#include "tests/unit/control-plane/identity/memory_records.h"

namespace apk {
namespace {

constexpr int64_t kNow = 1'700'000'000;

class EnrollmentTest : public testing::Test {
 protected:
  EnrollmentOptions Options() const {
    EnrollmentOptions options;
    options.trust = std::make_shared<TrustInForce>(TrustIn(authority_));
    return options;
  }
  static v1::EnrollRequest Request(const std::string& token, const std::string& agent) {
    v1::EnrollRequest request;
    request.set_token(token);
    request.set_agent(agent);
    request.set_certificate_request(*MakeSigningRequest(*NewPrivateKey(), agent));
    return request;
  }

  const std::shared_ptr<const CertificateAuthority> authority_ =
      *CertificateAuthority::MakeUnsaved();
  MemoryRecords records_;
  IdentityLedger ledger_{records_};
};

TEST_F(EnrollmentTest, ATokenIsForTheAuthorityAndIsReadBack) {
  Enrollment enrollment(ledger_, Options());
  const auto created = enrollment.CreateToken({}, "me", kNow);
  ASSERT_TRUE(created.ok());
  const absl::StatusOr<JoinToken> token = ParseJoinToken(created->token());
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->authority, CertificateHash(authority_->certificate_pem()));
  EXPECT_EQ(token->id, created->id());
  const auto listed = enrollment.ListTokens(kNow + 15 * 60);
  ASSERT_EQ(listed->tokens_size(), 1);
  EXPECT_TRUE(listed->tokens(0).expired());
  EXPECT_EQ(listed->tokens(0).uses_max(), 1u);
  EXPECT_EQ(listed->DebugString().find(token->secret), std::string::npos);
}

TEST_F(EnrollmentTest, GivesACertificateForTheNameAndItsLife) {
  Enrollment enrollment(ledger_, Options());
  const std::string token = enrollment.CreateToken({}, "me", kNow)->token();
  const auto issued = enrollment.Enroll(Request(token, "n"), kNow);
  ASSERT_TRUE(issued.ok()) << std::string(issued.status().message());
  EXPECT_EQ(PeerOfPem(issued->certificate_pem(), "apk").uri, "spiffe://apk/agent/n");
  EXPECT_EQ(issued->trust_bundle_pem(), authority_->certificate_pem());
  EXPECT_TRUE(ledger_.Check(PeerOfPem(issued->certificate_pem(), "apk"), kNow).ok());
}

TEST_F(EnrollmentTest, ATokenLiftsTheRevocationThatItWasMadeAfterAndNoLaterOne) {
  Enrollment enrollment(ledger_, Options());
  v1::CreateJoinTokenRequest for_n;
  for_n.set_agent("n");
  // All in one second.
  const std::string before = enrollment.CreateToken(for_n, "me", kNow)->token();
  ASSERT_TRUE(ledger_.Revoke(AgentSubject("n"), "", "me", kNow).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(enrollment.Enroll(Request(before, "n"), kNow).status()));
  const std::string after = enrollment.CreateToken(for_n, "me", kNow)->token();
  const std::string kept = enrollment.CreateToken(for_n, "me", kNow)->token();
  EXPECT_TRUE(enrollment.Enroll(Request(after, "n"), kNow).ok());
  ASSERT_TRUE(ledger_.Revoke(AgentSubject("n"), "", "me", kNow).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(enrollment.Enroll(Request(kept, "n"), kNow).status()));
}

TEST_F(EnrollmentTest, KnowsWhoHasJoinedOrHasACertificateOfItsOwn) {
  Enrollment enrollment(ledger_, Options());
  EXPECT_FALSE(enrollment.Knows("n"));
  const std::string token = enrollment.CreateToken({}, "me", kNow)->token();
  ASSERT_TRUE(enrollment.Enroll(Request(token, "n"), kNow).ok());
  EXPECT_TRUE(enrollment.Knows("n"));
  EXPECT_TRUE(enrollment.Knows("default"));
}

TEST_F(EnrollmentTest, AnAgentHasTheLabelsOfItsTokenUntilTheyAreChanged) {
  Enrollment enrollment(ledger_, Options());
  v1::CreateJoinTokenRequest wanted;
  (*wanted.mutable_labels())["region"] = "eu";
  const std::string token = enrollment.CreateToken(wanted, "me", kNow)->token();
  EXPECT_EQ(enrollment.ListTokens(kNow)->tokens(0).labels(0), "region=eu");
  const v1::EnrollRequest request = Request(token, "n");
  const auto issued = enrollment.Enroll(request, kNow);
  ASSERT_TRUE(issued.ok());
  PeerCertificate peer = PeerOfPem(issued->certificate_pem(), "apk");
  peer.labels = {{"region", "claimed"}};
  EXPECT_EQ(ledger_.LabelsOf(peer), (Labels{{"region", "eu"}}));

  v1::LabelAgentRequest change;
  change.set_agent("n");
  (*change.mutable_set())["tier"] = "edge";
  change.add_remove("region");
  const auto changed = enrollment.LabelAgent(change, "me");
  ASSERT_TRUE(changed.ok());
  ASSERT_EQ(changed->labels_size(), 1);
  EXPECT_EQ(changed->labels(0), "tier=edge");
  EXPECT_EQ(ledger_.LabelsOf(peer), (Labels{{"tier", "edge"}}));
  // An answer that is asked for again, and the next certificate, leave them as they are.
  ASSERT_TRUE(enrollment.Enroll(request, kNow).ok());
  v1::RenewRequest renewal;
  renewal.set_agent("n");
  renewal.set_certificate_request(request.certificate_request());
  ASSERT_TRUE(enrollment.Renew(renewal, kNow).ok());
  EXPECT_EQ(ledger_.LabelsOf(peer), (Labels{{"tier", "edge"}}));
}

TEST_F(EnrollmentTest, LabelsMustBeLabelsAndTheAgentMustHaveJoined) {
  Enrollment enrollment(ledger_, Options());
  v1::CreateJoinTokenRequest wanted;
  (*wanted.mutable_labels())["region"] = "e u";
  EXPECT_TRUE(absl::IsInvalidArgument(enrollment.CreateToken(wanted, "me", kNow).status()));
  v1::LabelAgentRequest change;
  change.set_agent("n");
  EXPECT_TRUE(absl::IsNotFound(enrollment.LabelAgent(change, "me").status()));
  const std::string token = enrollment.CreateToken({}, "me", kNow)->token();
  ASSERT_TRUE(enrollment.Enroll(Request(token, "n"), kNow).ok());
  (*change.mutable_set())["-"] = "x";
  EXPECT_TRUE(absl::IsInvalidArgument(enrollment.LabelAgent(change, "me").status()));
}

TEST_F(EnrollmentTest, ARequestThatIsNoneCostsNoUse) {
  Enrollment enrollment(ledger_, Options());
  const std::string token = enrollment.CreateToken({}, "me", kNow)->token();
  v1::EnrollRequest request = Request(token, "n");
  request.set_certificate_request("x");
  EXPECT_TRUE(absl::IsInvalidArgument(enrollment.Enroll(request, kNow).status()));
  EXPECT_TRUE(enrollment.Enroll(Request(token, "n"), kNow).ok());
}

TEST_F(EnrollmentTest, AFleetMayJoinByOneTokenAtOnce) {
  constexpr int kAgents = 40;
  Enrollment enrollment(ledger_, Options());
  v1::CreateJoinTokenRequest wanted;
  wanted.set_uses(kAgents / 2);
  const std::string token = enrollment.CreateToken(wanted, "me", kNow)->token();
  std::vector<v1::EnrollRequest> requests;
  for (int i = 0; i < kAgents; ++i) requests.push_back(Request(token, "n" + std::to_string(i)));
  std::atomic<int> joined{0};
  std::vector<std::thread> threads;
  for (const v1::EnrollRequest& request : requests) {
    threads.emplace_back([&] { joined += enrollment.Enroll(request, kNow).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(joined.load(), kAgents / 2);
  EXPECT_EQ(enrollment.ListTokens(kNow)->tokens(0).uses(), static_cast<uint32_t>(kAgents / 2));
}

TEST_F(EnrollmentTest, SaysWhyItIsOff) {
  EnrollmentOptions options;
  options.off = "no key";
  Enrollment enrollment(ledger_, options);
  EXPECT_EQ(std::string(enrollment.CreateToken({}, "me", kNow).status().message()),
            "enrolment is off: no key");
  EXPECT_TRUE(absl::IsFailedPrecondition(enrollment.Enroll({}, kNow).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(enrollment.Renew({}, kNow).status()));
}

}  // namespace
}  // namespace apk

#include "control-plane/identity/identity_ledger.h"

#include <gtest/gtest.h>

#include "apk/v1/store.pb.h"
#include "tests/unit/control-plane/identity/memory_records.h"

namespace apk {
namespace {

constexpr int64_t kNow = 1'700'000'000;

v1::Subject User(const std::string& name) {
  v1::Subject subject;
  subject.set_role(v1::Subject::USER);
  subject.set_name(name);
  return subject;
}

PeerCertificate Peer(const std::string& path, const std::string& key = "key") {
  return {.uri = "spiffe://apk/" + path, .key_hash = key, .expires_unix = kNow + 100};
}

class IdentityLedgerTest : public testing::Test {
 protected:
  void Enroll(const std::string& agent, const std::string& key, int64_t expires_unix) {
    v1::StoredEnrollment enrollment;
    enrollment.set_key_hash(key);
    enrollment.set_expires_unix(expires_unix);
    ASSERT_TRUE(ledger_
                    .Change({EnrollmentKey(agent)},
                            [&](const RecordView&) {
                              return std::vector<RecordWrite>{
                                  PutRecord(EnrollmentKey(agent), enrollment)};
                            })
                    .ok());
  }

  MemoryRecords records_;
  IdentityLedger ledger_{records_};
};

TEST_F(IdentityLedgerTest, LetsInWhoIsNotRevoked) {
  ASSERT_TRUE(ledger_.Revoke(User("a"), "", "me", kNow).ok());
  EXPECT_TRUE(ledger_.Check(Peer("user/b"), kNow).ok());
  EXPECT_TRUE(ledger_.Check(Peer("agent/a"), kNow).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(ledger_.Check(Peer("user/a"), kNow)));
  EXPECT_TRUE(absl::IsAlreadyExists(ledger_.Revoke(User("a"), "", "me", kNow)));
}

TEST_F(IdentityLedgerTest, UsersByTokenAreRevokedByTheirNames) {
  ASSERT_TRUE(ledger_.Revoke(User("oidc:a@b/c"), "left", "me", kNow).ok());
  EXPECT_EQ(std::string(ledger_.CheckUserName("oidc:a@b/c").message()),
            "user oidc:a@b/c was revoked on 2023-11-14T22:13:20Z: left");
  EXPECT_TRUE(ledger_.CheckUserName("oidc:a").ok());
  EXPECT_EQ(ledger_.Revocations()[0].subject().name(), "oidc:a@b/c");
  for (const char* const name : {"oidc:", "a@b", "idp:a"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ledger_.Revoke(User(name), "", "me", kNow))) << name;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ledger_.Revoke(AgentSubject("oidc:a"), "", "me", kNow)));
}

TEST_F(IdentityLedgerTest, WhatIsTakenOutIsTakenInWhereItIsNotThere) {
  ASSERT_TRUE(ledger_.Revoke(User("a"), "first", "me", kNow).ok());
  Enroll("n", "key", kNow + 100);
  const auto records = ledger_.Export();
  ASSERT_EQ(records.size(), 2u);
  MemoryRecords other_records;
  IdentityLedger other(other_records);
  ASSERT_TRUE(other.Revoke(User("a"), "its own", "me", kNow).ok());
  ASSERT_TRUE(other.Import(records).ok());
  EXPECT_EQ(other.Revocations()[0].reason(), "its own");
  EXPECT_TRUE(absl::IsPermissionDenied(other.Check(Peer("agent/n", "another key"), kNow)));
  EXPECT_TRUE(other.Check(Peer("agent/n", "key"), kNow).ok());
  ASSERT_TRUE(other.Import({{"token/x", "y"}}).ok());
  EXPECT_EQ(other.Known().VersionOf("token/x"), 0);
}

TEST_F(IdentityLedgerTest, SaysSinceWhenAndWhy) {
  ASSERT_TRUE(ledger_.Revoke(AgentSubject("n"), "stolen", "me", kNow).ok());
  const absl::Status refused = ledger_.Check(Peer("agent/n"), kNow);
  EXPECT_EQ(std::string(refused.message()),
            "the certificate of agent n was revoked on 2023-11-14T22:13:20Z: stolen");
  EXPECT_TRUE(absl::IsPermissionDenied(ledger_.CheckAgentName("n")));
  ASSERT_EQ(ledger_.Revocations().size(), 1u);
  EXPECT_EQ(ledger_.Revocations()[0].subject().role(), v1::Subject::AGENT);
  EXPECT_EQ(ledger_.Revocations()[0].subject().name(), "n");
}

TEST_F(IdentityLedgerTest, LetsInAgainWhoIsUnrevoked) {
  ASSERT_TRUE(ledger_.Revoke(User("a"), "", "me", kNow).ok());
  ASSERT_TRUE(ledger_.Unrevoke(User("a"), "me").ok());
  EXPECT_TRUE(ledger_.Check(Peer("user/a"), kNow).ok());
  EXPECT_TRUE(absl::IsNotFound(ledger_.Unrevoke(User("a"), "me")));
}

TEST_F(IdentityLedgerTest, RefusesACertificateThatHasEnded) {
  EXPECT_TRUE(absl::IsUnauthenticated(ledger_.Check(Peer("user/a"), kNow + 100)));
  EXPECT_TRUE(ledger_.Check(Peer("user/a"), kNow + 99).ok());
}

TEST_F(IdentityLedgerTest, AConnectionOutlivesACertificateThatWasRenewedForItsKey) {
  Enroll("n", "key", kNow + 200);
  EXPECT_TRUE(ledger_.Check(Peer("agent/n"), kNow + 199).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(ledger_.Check(Peer("agent/n"), kNow + 200)));
}

TEST_F(IdentityLedgerTest, AnAgentThatJoinedHasOneKey) {
  Enroll("n", "key", kNow + 200);
  EXPECT_TRUE(absl::IsPermissionDenied(ledger_.Check(Peer("agent/n", "other"), kNow)));
  EXPECT_TRUE(ledger_.Check(Peer("agent/m", "other"), kNow).ok());
  EXPECT_TRUE(ledger_.Check(Peer("user/n", "other"), kNow).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(ledger_.CheckAgentName("n")));
  EXPECT_TRUE(ledger_.CheckAgentName("m").ok());
}

TEST_F(IdentityLedgerTest, WhatIsOlderThanWhatIsKnownDoesNothing) {
  ASSERT_TRUE(ledger_.Revoke(User("a"), "", "me", kNow).ok());
  ledger_.Take({.key = "revoked/user/a", .value = "", .version = 0, .gone = true});
  EXPECT_FALSE(ledger_.Check(Peer("user/a"), kNow).ok());
  ledger_.Take({.key = "revoked/user/a", .value = "", .version = 9, .gone = true});
  EXPECT_TRUE(ledger_.Check(Peer("user/a"), kNow).ok());
}

TEST_F(IdentityLedgerTest, TellsOfWhatIsWrittenElsewhere) {
  int changes = 0;
  ledger_.OnChange([&] { ++changes; });
  IdentityLedger elsewhere(records_);
  ASSERT_TRUE(elsewhere.Revoke(User("a"), "", "me", kNow).ok());
  EXPECT_EQ(changes, 0);
  ASSERT_TRUE(ledger_.Load().ok());
  EXPECT_EQ(changes, 1);
  EXPECT_FALSE(ledger_.Check(Peer("user/a"), kNow).ok());
  ASSERT_TRUE(elsewhere.Unrevoke(User("a"), "me").ok());
  ASSERT_TRUE(ledger_.Load().ok());
  EXPECT_TRUE(ledger_.Check(Peer("user/a"), kNow).ok());
}

TEST_F(IdentityLedgerTest, DecidesAnewWhereOthersWereFaster) {
  IdentityLedger elsewhere(records_);
  records_.before_write = [&] {
    ASSERT_TRUE(elsewhere.Revoke(User("a"), "theirs", "they", kNow).ok());
  };
  EXPECT_TRUE(absl::IsAlreadyExists(ledger_.Revoke(User("a"), "ours", "we", kNow)));
  EXPECT_EQ(ledger_.Revocations().at(0).reason(), "theirs");
}

TEST_F(IdentityLedgerTest, RefusesNamesThatNoCertificateHas) {
  for (const char* name : {"", "a/b", ".a"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ledger_.Revoke(User(name), "", "me", kNow))) << name;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ledger_.Revoke(v1::Subject(), "", "me", kNow)));
}

}  // namespace
}  // namespace apk

// Who may join, decided on values.
#include "control-plane/enrollment/admission.h"

#include <gtest/gtest.h>

#include "apk/v1/store.pb.h"

namespace apk {
namespace {

constexpr int64_t kNow = 1'700'000'000;
constexpr int64_t kEnds = kNow + 1000;
constexpr int64_t kDay = 86'400;

class AdmissionTest : public testing::Test {
 protected:
  AdmissionTest() {
    candidate_.token = {.id = "tokentoken", .secret = "secret", .authority = ""};
    candidate_.agent = "n";
    candidate_.key_hash = "key";
    token_.set_secret_hash(HashOfSecret("secret"));
    token_.set_uses_max(1);
    token_.set_created_unix(kNow - 10);
    token_.set_expires_unix(kNow + 10);
  }

  RecordView View() {
    Put(PutRecord(TokenKey(candidate_.token.id), token_));
    return RecordView(records_);
  }
  void Put(const RecordWrite& write) {
    records_[write.key] = {.key = write.key, .value = write.value, .version = 1};
  }
  absl::Status Admit(int64_t now = kNow) {
    const auto writes = AdmitByToken(View(), candidate_, now, now + 1000);
    if (!writes.ok()) return writes.status();
    for (const RecordWrite& write : *writes) Put(write);
    token_ = *RecordView(records_).Get<v1::StoredJoinToken>(TokenKey(candidate_.token.id));
    return absl::OkStatus();
  }
  absl::Status Renew(const std::string& key, int64_t now) {
    const auto writes = AdmitByKey(RecordView(records_), "n", key, now, now + 1000);
    if (writes.ok()) Put(writes->at(0));
    return writes.status();
  }
  v1::StoredEnrollment Enrollment() {
    return *RecordView(records_).Get<v1::StoredEnrollment>(EnrollmentKey("n"));
  }
  void Revoke(int64_t at) {
    v1::StoredRevocation revocation;
    revocation.set_revoked_unix(at);
    Put(PutRecord(RevocationKey(AgentSubject("n")), revocation));
  }

  Candidate candidate_;
  v1::StoredJoinToken token_;
  std::map<std::string, Record> records_;
};

TEST_F(AdmissionTest, NotesTheUseAndTheKey) {
  ASSERT_TRUE(Admit().ok());
  ASSERT_EQ(token_.uses_size(), 1);
  EXPECT_EQ(token_.uses(0).agent(), "n");
  EXPECT_EQ(Enrollment().key_hash(), "key");
  EXPECT_EQ(Enrollment().expires_unix(), kEnds);
}

TEST_F(AdmissionTest, TheSameKeyIsLetInAgainThoughTheTokenIsUsedUpOrHasEnded) {
  ASSERT_TRUE(Admit().ok());
  ASSERT_TRUE(Admit(kNow + 100).ok());
  EXPECT_EQ(token_.uses_size(), 1);
  EXPECT_EQ(Enrollment().expires_unix(), kNow + 1100);
  candidate_.key_hash = "other";
  EXPECT_TRUE(absl::IsUnauthenticated(Admit()));
}

TEST_F(AdmissionTest, TheSameKeyMayNotTakeAnotherName) {
  ASSERT_TRUE(Admit().ok());
  candidate_.agent = "m";
  EXPECT_TRUE(absl::IsUnauthenticated(Admit()));
}

TEST_F(AdmissionTest, RefusesAnotherSecret) {
  candidate_.token.secret = "guess";
  EXPECT_TRUE(absl::IsUnauthenticated(Admit()));
  candidate_.token.secret = "";
  EXPECT_TRUE(absl::IsUnauthenticated(Admit()));
}

TEST_F(AdmissionTest, RefusesATokenThatHasEnded) {
  EXPECT_TRUE(Admit(kNow + 9).ok());
  candidate_.key_hash = "other";
  token_.set_uses_max(2);
  token_.set_agent("n");
  EXPECT_TRUE(absl::IsUnauthenticated(Admit(kNow + 10)));
}

TEST_F(AdmissionTest, ANameThatIsTakenNeedsATokenForIt) {
  ASSERT_TRUE(Admit().ok());
  token_.set_uses_max(2);
  candidate_.key_hash = "other";
  EXPECT_TRUE(absl::IsAlreadyExists(Admit()));
  token_.set_agent("n");
  ASSERT_TRUE(Admit().ok());
  EXPECT_EQ(Enrollment().key_hash(), "other");
  // The first key does not get the name back by its old answer.
  candidate_.key_hash = "key";
  EXPECT_TRUE(absl::IsAlreadyExists(Admit()));
}

TEST_F(AdmissionTest, ANameThatIsConnectedByAnotherCertificateNeedsATokenForIt) {
  candidate_.connected = true;
  EXPECT_TRUE(absl::IsAlreadyExists(Admit()));
  token_.set_agent("n");
  EXPECT_TRUE(Admit().ok());
}

TEST_F(AdmissionTest, ANameWithACertificateOfItsOwnNeedsATokenForItUntilThatEnds) {
  v1::StoredNamedAgent named;
  named.set_expires_unix(kNow + 5);
  Put(PutRecord(NamedKey("n"), named));
  EXPECT_TRUE(absl::IsAlreadyExists(Admit()));
  EXPECT_TRUE(Admit(kNow + 5).ok());
}

TEST_F(AdmissionTest, ATokenForANamedAgentMakesItOneThatHasJoined) {
  v1::StoredNamedAgent named;
  named.set_expires_unix(kNow + 5);
  Put(PutRecord(NamedKey("n"), named));
  token_.set_agent("n");
  const auto writes = AdmitByToken(View(), candidate_, kNow, kEnds);
  ASSERT_TRUE(writes.ok()) << writes.status();
  EXPECT_EQ(writes->back().key, NamedKey("n"));
  EXPECT_TRUE(writes->back().remove);
}

TEST_F(AdmissionTest, WhoIsRevokedJoinsAgainByANewTokenForItAndWithItsNewKeyAlone) {
  Revoke(kNow);
  EXPECT_TRUE(absl::IsPermissionDenied(Admit()));
  token_.set_created_unix(kNow);
  EXPECT_TRUE(absl::IsPermissionDenied(Admit()));
  token_.set_agent("n");
  EXPECT_TRUE(absl::IsPermissionDenied(Admit()));  // Which came first in that second is not known.
  token_.set_created_unix(kNow + 1);
  ASSERT_TRUE(Admit().ok());
  const auto revocation =
      RecordView(records_).Get<v1::StoredRevocation>(RevocationKey(AgentSubject("n")));
  EXPECT_EQ(revocation->except_key(), "key");
  EXPECT_TRUE(Renew("key", kNow).ok());
}

TEST_F(AdmissionTest, WhoIsRevokedAfterItJoinedIsNotLetInAgainByTheSameToken) {
  token_.set_agent("n");
  ASSERT_TRUE(Admit().ok());
  Revoke(kNow - 10);  // In the second in which the token was made.
  EXPECT_TRUE(absl::IsPermissionDenied(Admit()));
  EXPECT_TRUE(absl::IsPermissionDenied(Renew("key", kNow)));
}

TEST_F(AdmissionTest, TheCommonCertificatesNameIsNobodys) {
  for (const char* name : {"default", "", "a/b"}) {
    candidate_.agent = name;
    EXPECT_TRUE(absl::IsInvalidArgument(Admit())) << name;
  }
}

TEST_F(AdmissionTest, RenewsForTheEnrolledKeyUntilAMonthAfterItsEnd) {
  ASSERT_TRUE(Admit().ok());
  EXPECT_TRUE(absl::IsNotFound(Renew("other", kNow)));
  EXPECT_TRUE(absl::IsPermissionDenied(Renew("key", kEnds + 30 * kDay)));
  ASSERT_TRUE(Renew("key", kEnds + 30 * kDay - 1).ok());
  EXPECT_EQ(Enrollment().expires_unix(), kEnds + 30 * kDay - 1 + 1000);
}

TEST_F(AdmissionTest, ForgetsTokensAndAgentsThatAreLongPast) {
  ASSERT_TRUE(Admit().ok());
  EXPECT_TRUE(Outdated(RecordView(records_), kNow + kDay).empty());
  const std::vector<RecordWrite> first = Outdated(RecordView(records_), kNow + 2 * kDay);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].key, TokenKey(candidate_.token.id));
  EXPECT_TRUE(first[0].remove);
  EXPECT_EQ(Outdated(RecordView(records_), kEnds + 31 * kDay).size(), 2u);
}

TEST_F(AdmissionTest, WhatMakesAnOlderCertificateCountNoLongerStaysUntilThatHasEnded) {
  constexpr int64_t kNamedEnds = kNow + 500 * kDay;
  v1::StoredNamedAgent named;
  named.set_expires_unix(kNamedEnds);
  Put(PutRecord(NamedKey("n"), named));
  token_.set_agent("n");
  ASSERT_TRUE(Admit().ok());
  records_.erase(NamedKey("n"));
  // By a further token, for another key, which does not forget it.
  token_.clear_uses();
  candidate_.key_hash = "other";
  ASSERT_TRUE(Admit().ok());
  ASSERT_TRUE(Renew("other", kNow + 1).ok());
  const auto goes = [this](int64_t now) {
    for (const RecordWrite& write : Outdated(RecordView(records_), now)) {
      if (write.key == EnrollmentKey("n")) return true;
    }
    return false;
  };
  EXPECT_FALSE(goes(kNow + 100 * kDay));
  EXPECT_FALSE(goes(kNamedEnds - 1));
  EXPECT_TRUE(goes(kNamedEnds));
}

TEST_F(AdmissionTest, AKeyWithALongerLifeStaysSupersededToItsEnd) {
  token_.set_agent("n");
  const auto first = AdmitByToken(View(), candidate_, kNow, kNow + 300 * kDay);
  ASSERT_TRUE(first.ok());
  for (const RecordWrite& write : *first) Put(write);
  candidate_.key_hash = "other";
  ASSERT_TRUE(Admit().ok());
  EXPECT_EQ(Enrollment().key_hash(), "other");
  EXPECT_EQ(Enrollment().expires_unix(), kEnds);
  EXPECT_EQ(Enrollment().superseded_until_unix(), kNow + 300 * kDay);
}

}  // namespace
}  // namespace apk

// The steps of a rotation, and who trusts what is signed after each.
#include "control-plane/identity/authority_rotation.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

namespace apk {
namespace {

using Request = v1::RotateAuthorityRequest;

constexpr int64_t kNow = 1'700'000'000;
constexpr int64_t kDay = 86'400;

std::vector<std::shared_ptr<X509>> Parse(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  std::vector<std::shared_ptr<X509>> certificates;
  while (X509* const read = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(read, &X509_free);
  }
  return certificates;
}

// Whether who trusts no other takes the chain.
bool Trusts(const std::string& authority_pem, const std::string& chain_pem) {
  const std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)> store(X509_STORE_new(),
                                                                      &X509_STORE_free);
  for (const auto& trusted : Parse(authority_pem)) X509_STORE_add_cert(store.get(), trusted.get());
  const std::vector<std::shared_ptr<X509>> chain = Parse(chain_pem);
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> between(
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (const auto& certificate : chain) sk_X509_push(between.get(), certificate.get());
  const std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> verification(
      X509_STORE_CTX_new(), &X509_STORE_CTX_free);
  X509_STORE_CTX_init(verification.get(), store.get(), chain.front().get(), between.get());
  return X509_verify_cert(verification.get()) == 1;
}

class AuthorityRotationTest : public testing::Test {
 protected:
  AuthorityRotationTest() : first_(*CertificateAuthority::MakeUnsaved()) {
    stored_.set_signer_pem(first_->ToPem());
  }
  absl::Status Do(Request::Step step) {
    auto next = NextStep(stored_, step, kNow);
    if (next.ok()) stored_ = *std::move(next);
    return next.status();
  }
  std::string Issued() const {
    return (*SigningAuthority(stored_))
        ->Issue({.common_name = "n", .dns_names = {"n"}, .server = true})
        ->certificate_pem;
  }
  std::string Bundle() const { return (*SigningAuthority(stored_))->trust_pem(); }

  const std::unique_ptr<CertificateAuthority> first_;
  v1::StoredAuthorities stored_;
};

TEST_F(AuthorityRotationTest, EachStepHasItsTurn) {
  EXPECT_TRUE(absl::IsFailedPrecondition(Do(Request::USE)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Do(Request::RETIRE)));
  ASSERT_TRUE(Do(Request::ADD).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Do(Request::ADD)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Do(Request::RETIRE)));
  ASSERT_TRUE(Do(Request::USE).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Do(Request::ADD)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Do(Request::USE)));
  ASSERT_TRUE(Do(Request::RETIRE).ok());
  ASSERT_TRUE(Do(Request::ADD).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Do(Request::STEP_UNSPECIFIED)));
}

TEST_F(AuthorityRotationTest, WhoKnowsEitherTrustsWhatIsSignedUntilTheFirstIsRetired) {
  const std::string before = Issued();
  ASSERT_TRUE(Do(Request::ADD).ok());
  EXPECT_EQ(Parse(Bundle()).size(), 2u);
  EXPECT_TRUE(Trusts(first_->certificate_pem(), Issued()));
  ASSERT_TRUE(Do(Request::USE).ok());
  const std::string second = (*SigningAuthority(stored_))->certificate_pem();
  EXPECT_NE(second, first_->certificate_pem());
  EXPECT_TRUE(Trusts(second, Issued()));
  EXPECT_TRUE(Trusts(first_->certificate_pem(), Issued()));
  EXPECT_TRUE(Trusts(Bundle(), before));
  EXPECT_FALSE(Trusts(second, before));
  ASSERT_TRUE(Do(Request::RETIRE).ok());
  EXPECT_EQ(Bundle(), second);
  EXPECT_TRUE(Trusts(second, Issued()));
  EXPECT_FALSE(Trusts(first_->certificate_pem(), Issued()));
  EXPECT_FALSE(Trusts(Bundle(), before));
}

TEST_F(AuthorityRotationTest, AgentsThatHaveNotRenewedNeedThePreviousOne) {
  ASSERT_TRUE(Do(Request::ADD).ok());
  ASSERT_TRUE(Do(Request::USE).ok());
  std::map<std::string, Record> records;
  const auto put = [&records](const RecordWrite& write) {
    records[write.key] = {.key = write.key, .value = write.value, .version = 1};
  };
  v1::StoredEnrollment enrolled;
  enrolled.set_expires_unix(kNow + kDay);
  put(PutRecord(EnrollmentKey("old"), enrolled));
  enrolled.set_authority(CertificateHash(stored_.signer_pem()));
  put(PutRecord(EnrollmentKey("renewed"), enrolled));
  enrolled.clear_authority();
  enrolled.set_expires_unix(kNow - 40 * kDay);
  put(PutRecord(EnrollmentKey("long-gone"), enrolled));
  v1::StoredNamedAgent named;
  named.set_expires_unix(kNow + 300 * kDay);
  put(PutRecord(NamedKey("by-file"), named));
  named.set_expires_unix(kNow + 366 * kDay);
  put(PutRecord(NamedKey("new-by-file"), named));
  EXPECT_EQ(AgentsOfPrevious(RecordView(records), stored_, kNow),
            (std::vector<std::string>{"by-file", "old"}));
  ASSERT_TRUE(Do(Request::RETIRE).ok());
  EXPECT_TRUE(AgentsOfPrevious(RecordView(records), stored_, kNow).empty());
}

}  // namespace
}  // namespace apk

// What clients would make of a response is what decides.
#include "data-plane/net/ocsp_staple.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/data-plane/net/test_ocsp.h"

namespace apk {
namespace {

using testing::HasSubstr;

class OcspStapleTest : public testing::Test {
 protected:
  // "" where it is fit.
  std::string ReasonOf(const std::string& response, bool with_issuer = true) {
    const std::vector<X509Ptr> chain =
        ReadCertificates(certificate_.pem() + (with_issuer ? authority_.pem() : ""));
    const absl::StatusOr<OcspStaple> staple =
        ReadOcspStaple(response, chain, std::chrono::system_clock::now());
    if (staple.ok()) until_ = staple->until;
    return std::string(staple.status().message());
  }
  std::string Reason(OcspAnswer answer, bool with_issuer = true) {
    if (answer.about == nullptr) answer.about = &certificate_;
    if (answer.issuer == nullptr) answer.issuer = &authority_;
    return ReasonOf(OcspResponse(answer), with_issuer);
  }

  const TestCertificate authority_{"authority"};
  const TestCertificate certificate_{"a", "DNS:a.example", &authority_};
  WallTime until_;
};

TEST_F(OcspStapleTest, IsTakenWhereItIsFit) {
  EXPECT_EQ(Reason({}), "");
  const auto left = until_ - std::chrono::system_clock::now();
  EXPECT_GT(left, std::chrono::minutes(59));
  EXPECT_LE(left, std::chrono::minutes(60));
  EXPECT_EQ(Reason({}, /*with_issuer=*/false), "");
  EXPECT_EQ(Reason({.until = 0}), "");
  EXPECT_EQ(until_, WallTime::max());
}

TEST_F(OcspStapleTest, IsRefusedWhereItIsOver) {
  EXPECT_THAT(Reason({.from = -7200, .until = -1}), HasSubstr("it was valid until 20"));
  EXPECT_THAT(Reason({.from = 3600, .until = 7200}), HasSubstr("it is not valid before 20"));
  EXPECT_EQ(Reason({.from = 60}), "");  // A clock that goes fast.
}

TEST_F(OcspStapleTest, IsRefusedWhereItIsAboutAnother) {
  const TestCertificate other("b", "", &authority_);
  EXPECT_EQ(Reason({.about = &other}), "it is about another certificate");
}

TEST_F(OcspStapleTest, IsRefusedWhereTheIssuerHasNotSignedIt) {
  const TestCertificate stranger("authority");  // The name alone does not do.
  EXPECT_EQ(Reason({.signer = &stranger}), "the certificate's issuer has not signed it");
  EXPECT_EQ(Reason({.signer = &certificate_}), "the certificate's issuer has not signed it");
}

TEST_F(OcspStapleTest, IsRefusedWhereTheCertificateIsNotGood) {
  EXPECT_EQ(Reason({.status = V_OCSP_CERTSTATUS_REVOKED}),
            "it says that the certificate is revoked");
  EXPECT_EQ(Reason({.status = V_OCSP_CERTSTATUS_UNKNOWN}),
            "it says that the certificate is unknown");
}

TEST_F(OcspStapleTest, IsRefusedWhereItIsNoResponse) {
  EXPECT_EQ(ReasonOf("garbage"), "it is no OCSP response in DER");
  EXPECT_EQ(ReasonOf(std::string()), "it is no OCSP response in DER");
  OCSP_RESPONSE* const later = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr);
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_RESPONSE(later, &bytes);
  EXPECT_EQ(ReasonOf(std::string(reinterpret_cast<char*>(bytes), static_cast<size_t>(size))),
            "the responder answered trylater");
  OPENSSL_free(bytes);
  OCSP_RESPONSE_free(later);
}

}  // namespace
}  // namespace apk

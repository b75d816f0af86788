// Which tokens are good, and that each way of being bad has its verdict.
#include "common/jwt/jwt.h"

#include <gtest/gtest.h>

#include "common/jwt/base64url.h"
#include "tests/unit/common/jwt/token_signer.h"

namespace apk {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'000'000)};
constexpr char kGoodClaims[] = R"({"iss":"me","exp":1000100,"aud":["a","b"]})";

class JwtTest : public ::testing::Test {
 protected:
  JwtVerdict Verify(const std::string& token, std::vector<std::string> audiences = {}) const {
    const KeySet keys = signer_.Keys("k1");
    const std::vector<TrustedIssuer> issuers = {{"me", &keys}};
    return VerifyJwt(token, {issuers, audiences, std::chrono::seconds(60)}, kNow).verdict;
  }
  TokenSigner signer_;
};

TEST_F(JwtTest, GoodTokenPasses) {
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims)), JwtVerdict::kOk);
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims, R"({"alg":"RS256","kid":"k1"})")), JwtVerdict::kOk);
}

TEST_F(JwtTest, AnyFlippedPartBreaksTheSignature) {
  const std::string token = signer_.Sign(kGoodClaims);
  EXPECT_EQ(Verify(TokenSigner().Sign(kGoodClaims)), JwtVerdict::kBadSignature);
  const std::string other = signer_.Sign(R"({"iss":"me","exp":1000101})");
  EXPECT_EQ(Verify(token.substr(0, token.rfind('.')) + other.substr(other.rfind('.'))),
            JwtVerdict::kBadSignature);
}

TEST_F(JwtTest, AlgorithmsOutsideTheListAreRefused) {
  for (const char* algorithm : {"none", "None", "HS256", "rs256", ""}) {
    const std::string header = std::string(R"({"alg":")") + algorithm + R"("})";
    EXPECT_EQ(Verify(signer_.Sign(kGoodClaims, header)), JwtVerdict::kUnsupportedAlgorithm)
        << algorithm;
  }
}

TEST_F(JwtTest, AlgorithmIsBoundToTheKindOfKey) {
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims, R"({"alg":"ES256"})")), JwtVerdict::kUnknownKey);
}

TEST_F(JwtTest, KeyIdMustBeKnown) {
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims, R"({"alg":"RS256","kid":"k2"})")),
            JwtVerdict::kUnknownKey);
}

TEST_F(JwtTest, ClaimsAreChecked) {
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"you","exp":1000100})")), JwtVerdict::kWrongIssuer);
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me","exp":999941})")), JwtVerdict::kOk);
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me","exp":999940})")), JwtVerdict::kExpired);
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me"})")), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me","exp":"1000100"})")), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me","exp":1e300})")), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me","exp":1000100,"nbf":1000061})")),
            JwtVerdict::kNotYetValid);
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims), {"b"}), JwtVerdict::kOk);
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims), {"c"}), JwtVerdict::kWrongAudience);
}

TEST_F(JwtTest, AmbiguousTokensAreMalformed) {
  EXPECT_EQ(Verify(signer_.Sign(R"({"iss":"me","exp":1,"exp":1000100})")), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims, R"({"alg":"RS256","crit":["x"]})")),
            JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims) + "."), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(signer_.Sign(kGoodClaims) + "="), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(""), JwtVerdict::kMalformed);
  EXPECT_EQ(Verify(std::string(20000, 'a')), JwtVerdict::kMalformed);
}

TEST(Base64UrlTest, EachByteStringHasOneSpelling) {
  EXPECT_EQ(DecodeBase64Url("QQ"), "A");
  EXPECT_EQ(DecodeBase64Url("QR"), std::nullopt);
  EXPECT_EQ(DecodeBase64Url("QQ=="), std::nullopt);
  EXPECT_EQ(DecodeBase64Url("Q"), std::nullopt);
  EXPECT_EQ(DecodeBase64Url("Q+"), std::nullopt);
}

}  // namespace
}  // namespace apk

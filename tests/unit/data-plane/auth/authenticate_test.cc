// Who passes, and what the others are told.
#include "data-plane/auth/authenticate.h"

#include <gtest/gtest.h>

#include "tests/unit/common/jwt/token_signer.h"

namespace apk {
namespace {

class AuthenticateTest : public ::testing::Test {
 protected:
  AuthenticateTest() {
    policy_.header = "authorization";
    policy_.issuers = {&issuer_};
    keys_.keys["i"] = std::make_shared<const KeySet>(signer_.Keys());
  }
  std::optional<Reply> Try() {
    return Authenticate(policy_, request_, keys_, cache_, WallTime(std::chrono::seconds(1000)));
  }
  std::string Token() const { return signer_.Sign(R"({"iss":"me","exp":2000})"); }

  TokenSigner signer_;
  const TokenIssuer issuer_{"i", "", "me", "https://keys", "", ""};
  AuthenticationPolicy policy_;
  KeyStore keys_;
  VerdictCache cache_;
  RequestHead request_;
};

TEST_F(AuthenticateTest, GoodTokenPassesAndIsRemembered) {
  request_.headers.Add("Authorization", "bearer " + Token());
  EXPECT_FALSE(Try().has_value());
  EXPECT_EQ(cache_.size(), 1u);
  EXPECT_FALSE(Try().has_value());
}

TEST_F(AuthenticateTest, VerdictOfOnePolicyIsNoneOfAnother) {
  request_.headers.Add("Authorization", "Bearer " + Token());
  EXPECT_FALSE(Try().has_value());
  policy_.audiences = {"other"};
  EXPECT_TRUE(Try().has_value());
}

TEST_F(AuthenticateTest, MissingTokenIsToldAsApkDoes) {
  const std::optional<Reply> reply = Try();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, 401);
  EXPECT_EQ(reply->content_type, "application/json");
  EXPECT_EQ(reply->body,
            "{\n  \"error_message\": \"Missing Credentials\",\n  \"code\": 900902,\n"
            "  \"error_description\": \"Make sure you have provided the correct security "
            "credentials\"\n}");
  policy_.optional = true;
  EXPECT_FALSE(Try().has_value());
}

TEST_F(AuthenticateTest, AnUnknownKeyAsksForTheIssuersKeysAgain) {
  keys_.wanted["i"] = std::make_shared<std::atomic<bool>>(false);
  request_.headers.Add("Authorization", "Bearer " + Token());
  EXPECT_FALSE(Try().has_value());
  EXPECT_FALSE(keys_.wanted["i"]->load());
  KeySet others = signer_.Keys();
  for (PublicKey& key : others.keys) key.id = "another";
  keys_.keys["i"] = std::make_shared<const KeySet>(others);
  ++keys_.version;
  request_.headers.Set("Authorization", "Bearer " + signer_.Sign(R"({"iss":"me","exp":2000})",
                                                                 R"({"alg":"RS256","kid":"k"})"));
  ASSERT_TRUE(Try().has_value());
  EXPECT_EQ(Try()->status, 401);
  EXPECT_TRUE(keys_.wanted["i"]->load());
}

TEST_F(AuthenticateTest, BadOrDoubleTokensAreRefusedEvenWhereOptional) {
  policy_.optional = true;
  request_.headers.Add("Authorization", "Bearer x");
  EXPECT_EQ(Try()->status, 401);
  request_.headers.Clear();
  request_.headers.Add("Authorization", "Basic eDp5");
  EXPECT_EQ(Try()->status, 401);
  request_.headers.Clear();
  request_.headers.Add("Authorization", "Bearer " + Token());
  request_.headers.Add("authorization", "Bearer " + Token());
  EXPECT_EQ(Try()->status, 401);
}

TEST_F(AuthenticateTest, KeysThatNeverCameAreNotTheClientsFault) {
  keys_.keys.clear();
  request_.headers.Add("Authorization", "Bearer " + Token());
  EXPECT_EQ(Try()->status, 503);
}

TEST_F(AuthenticateTest, KeysOfOneIssuerAreNoReasonToRefuseTheTokensOfAnother) {
  const TokenIssuer late{"late", "", "you", "https://other-keys", "", ""};
  policy_.issuers = {&issuer_, &late};
  request_.headers.Add("Authorization", "Bearer " + signer_.Sign(R"({"iss":"you","exp":2000})"));
  const std::optional<Reply> reply = Try();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->status, 503);
  ASSERT_EQ(reply->headers.size(), 1u);
  EXPECT_EQ(reply->headers[0].first, "Retry-After");
  request_.headers.Set("Authorization", "Bearer " + Token());
  EXPECT_FALSE(Try().has_value());
  request_.headers.Set("Authorization",
                       "Bearer " + signer_.Sign(R"({"iss":"nobody","exp":2000})"));
  EXPECT_EQ(Try()->status, 401);
}

TEST_F(AuthenticateTest, WithoutAnyKeysATokenOfAnUnknownIssuerIsRefusedAllTheSame) {
  keys_.keys.clear();
  request_.headers.Add("Authorization", "Bearer " + signer_.Sign(R"({"iss":"nobody","exp":2000})"));
  EXPECT_EQ(Try()->status, 401);
}

}  // namespace
}  // namespace apk

// Name and groups of a token.
#include "control-plane/authentication/bearer_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<Principal> Of(const std::string& claims, const std::string& name = "sub",
                             const std::string& groups = "groups") {
  OidcOptions options;
  options.username_claim = name;
  options.groups_claim = groups;
  return PrincipalOfClaims(options, claims);
}

TEST(PrincipalOfClaims, NamesAndGroupsBeginWithWhatNoCertificateHas) {
  const auto principal = Of(R"({"sub":"ann","groups":["shop","spiffe://apk/user/admin"]})");
  ASSERT_TRUE(principal.ok()) << principal.status();
  EXPECT_EQ(principal->name, "oidc:ann");
  EXPECT_THAT(principal->groups, ElementsAre("oidc:shop", "oidc:spiffe://apk/user/admin"));
}

TEST(PrincipalOfClaims, GroupsMayBeAbsentOrOne) {
  EXPECT_THAT(Of(R"({"sub":"ann"})")->groups, IsEmpty());
  EXPECT_THAT(Of(R"({"sub":"ann","groups":null})")->groups, IsEmpty());
  EXPECT_THAT(Of(R"({"sub":"ann","groups":"shop"})")->groups, ElementsAre("oidc:shop"));
  EXPECT_THAT(Of(R"({"sub":"ann","groups":"shop"})", "sub", "")->groups, IsEmpty());
  EXPECT_THAT(Of(R"({"sub":"a","https://x/roles":["b"]})", "sub", "https://x/roles")->groups,
              ElementsAre("oidc:b"));
}

TEST(PrincipalOfClaims, WhatIsNoNameIsRefused) {
  for (const char* const claims :
       {"{}", R"({"sub":""})", R"({"sub":1})", R"({"sub":["a"]})", R"({"sub":"a\u0000b"})",
        R"({"sub":"a\u001b[2J"})", R"({"sub":null})"}) {
    const auto principal = Of(claims);
    EXPECT_TRUE(absl::IsUnauthenticated(principal.status())) << claims;
    EXPECT_THAT(std::string(principal.status().message()), HasSubstr("no claim \"sub\"")) << claims;
  }
  EXPECT_FALSE(Of("{\"sub\":\"" + std::string(254, 'a') + "\"}").ok());
  for (const char* const groups : {"[1]", "{}", "7", R"([""])", R"(["a",null])", R"(["a\n"])"}) {
    EXPECT_FALSE(Of(std::string(R"({"sub":"a","groups":)") + groups + "}").ok()) << groups;
  }
}

TEST(PrincipalOfClaims, AnAddressThatNobodyProvedIsNobodys) {
  EXPECT_TRUE(Of(R"({"email":"a@b.c"})", "email").ok());
  EXPECT_TRUE(Of(R"({"email":"a@b.c","email_verified":true})", "email").ok());
  EXPECT_FALSE(Of(R"({"email":"a@b.c","email_verified":false})", "email").ok());
  EXPECT_FALSE(Of(R"({"email":"a@b.c","email_verified":"true"})", "email").ok());
}

}  // namespace
}  // namespace apk

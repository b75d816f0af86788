// Which flags would let strangers in.
#include "control-plane/authentication/oidc_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using testing::HasSubstr;

OidcOptions Good() {
  OidcOptions options;
  options.issuer = "https://id.example/realm";
  options.audiences = {"apk"};
  return options;
}

std::string Wrong(const OidcOptions& options) {
  return std::string(CheckOidcOptions(options).message());
}

TEST(OidcOptions, NothingIsGoodAndSoIsAnIssuerWithAnAudience) {
  EXPECT_TRUE(CheckOidcOptions(OidcOptions()).ok());
  EXPECT_TRUE(CheckOidcOptions(Good()).ok());
}

TEST(OidcOptions, EachFlagThatIsMissingIsNamed) {
  OidcOptions options = Good();
  options.audiences.clear();
  EXPECT_THAT(Wrong(options), HasSubstr("--oidc-audience is missing"));
  options = Good();
  options.issuer = "";
  EXPECT_THAT(Wrong(options), HasSubstr("--oidc-issuer is missing"));
  options = Good();
  options.username_claim = "";
  EXPECT_THAT(Wrong(options), HasSubstr("--oidc-username-claim"));
}

TEST(OidcOptions, KeysComeByAWayThatProvesWhoseTheyAre) {
  OidcOptions options = Good();
  options.issuer = "http://id.example";
  EXPECT_THAT(Wrong(options), HasSubstr("must be an https:// URL"));
  options.jwks = "/etc/apk/keys.json";  // Then the issuer is no more than a name.
  EXPECT_TRUE(CheckOidcOptions(options).ok());
  options.jwks = "http://id.example/keys";
  EXPECT_THAT(Wrong(options), HasSubstr("--oidc-jwks http://id.example/keys"));
  options.jwks = "https://id.example/keys";
  EXPECT_TRUE(CheckOidcOptions(options).ok());
}

TEST(OidcOptions, PlainHttpIsForThisMachineAlone) {
  for (const char* const url : {"http://127.0.0.1/k", "http://127.0.0.1:8080/k",
                                "http://localhost:1", "http://[::1]:8/k"}) {
    EXPECT_TRUE(IsTrustworthyUrl(url)) << url;
  }
  for (const char* const url :
       {"http://127.0.0.1.example/k", "http://localhost@id.example/k",
        "http://id.example?localhost", "http://[::1].example/", "http://127.0.0.1:1@id.example/k",
        "ftp://localhost", "localhost", "https://", ""}) {
    EXPECT_FALSE(IsTrustworthyUrl(url)) << url;
  }
}

}  // namespace
}  // namespace apk

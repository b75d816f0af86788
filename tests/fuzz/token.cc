// Tokens and key sets: none that nobody signed is good.
#include <string>
#include <string_view>

#include "common/jwt/jwks.h"
#include "common/jwt/jwt.h"
#include "tests/fuzz/require.h"

namespace apk {
namespace {

// P-256, from RFC 7517 A.1; nobody here has its private half.
constexpr std::string_view kJwks =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
    R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}]})";

void Check(std::string_view bytes) {
  static const KeySet keys = *ParseJwks(kJwks);
  if (const auto parsed = ParseJwks(bytes); parsed.ok()) {
    Require(!parsed->keys.empty() && parsed->keys.size() <= 64, "a key set has some keys");
  }
  const TrustedIssuer issuer{.issuer = "https://issuer", .keys = &keys};
  JwtExpectations expectations;
  expectations.issuers = std::span(&issuer, 1);
  const JwtResult result = VerifyJwt(bytes, expectations, WallTime());
  Require(result.verdict != JwtVerdict::kOk, "a token that nobody signed is not good");
}

}  // namespace
}  // namespace apk

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  apk::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

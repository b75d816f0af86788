// Checks a signed token (RFC 7515, 7519). Pure: nothing in the token decides where keys come from.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/jwt/jwks.h"

namespace apk {

enum class JwtVerdict : uint8_t {
  kOk,
  kMalformed,
  kUnsupportedAlgorithm,
  kWrongIssuer,
  kUnknownKey,
  kKeysMissing,  // Those of its issuer; with them it might be good.
  kBadSignature,
  kExpired,
  kNotYetValid,
  kWrongAudience,
};

struct TrustedIssuer {
  std::string_view issuer;       // What "iss" must be.
  const KeySet* keys = nullptr;  // nullptr: not available yet.
};

struct JwtExpectations {
  std::span<const TrustedIssuer> issuers;
  std::span<const std::string> audiences;  // None: not checked. Otherwise one of them suffices.
  std::chrono::seconds leeway{60};
};

struct JwtResult {
  JwtVerdict verdict = JwtVerdict::kMalformed;
  WallTime expires;    // kOk and kExpired only; without the leeway.
  std::string claims;  // kOk only; JSON.
};

// RS256/384/512, PS256, ES256 and ES384, each only with a key of its kind. Tokens beyond 16 KiB,
// without "exp", or with "crit" are malformed.
JwtResult VerifyJwt(std::string_view token, const JwtExpectations& expectations, WallTime now);

}  // namespace apk

// What lets an agent that has no certificate ask for one:
//   apk1.<id>.<256-bit secret, base64url>.<SHA-256 of the authority's certificate, hex>
// The last part is how the agent knows whom to show the secret to. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace apk {

struct JoinToken {
  std::string id;         // Of 10 lower-case letters and digits; no secret.
  std::string secret;     // 43 letters of base64url.
  std::string authority;  // 64 hex digits.

  std::string ToString() const;
};

// INVALID_ARGUMENT, which does not repeat the text: it may be a secret.
absl::StatusOr<JoinToken> ParseJoinToken(std::string_view text);

// What an agent or a user may be called in a certificate: letters, digits, "-", "_" and ".", not
// beginning with ".", of at most 253 bytes.
bool IsIdentityName(std::string_view name);

}  // namespace apk

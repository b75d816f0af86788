// Whose a bearer token is: a JWT of the identity provider, checked against its keys. Verdicts are
// kept, so that a signature is checked once and not with each call. Thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "common/strings.h"
#include "control-plane/access/principal.h"
#include "control-plane/authentication/oidc_options.h"
#include "control-plane/authentication/provider_keys.h"

namespace apk {

class BearerTokens {
 public:
  // `keys` outlives it.
  BearerTokens(const OidcOptions& options, ProviderKeys& keys) : options_(options), keys_(keys) {}

  // UNAUTHENTICATED says what is wrong with it, and never repeats it; UNAVAILABLE where there are
  // no keys to check it with.
  absl::StatusOr<Principal> Verify(std::string_view token, int64_t now_unix);
  // Of what Verify returned: a key that is not known, which may be a new one. As FetchSoon.
  static bool WantsKeys(const absl::Status& refused);
  bool FetchSoon(const std::string& asker, std::function<void()> then) {
    return keys_.FetchSoon(asker, std::move(then));
  }

 private:
  struct Verdict {
    Principal principal;
    int64_t expires_unix = 0;
    uint64_t keys_version = 0;
  };
  absl::StatusOr<Verdict> Check(std::string_view token, int64_t now_unix,
                                const ProviderKeys::Known& known) const;

  const OidcOptions options_;
  ProviderKeys& keys_;
  std::mutex mutex_;
  StringMap<Verdict> verdicts_;  // By the token's hash.
};

// Name and groups as the claims have them. UNAUTHENTICATED where a claim is not as it must be.
absl::StatusOr<Principal> PrincipalOfClaims(const OidcOptions& options, const std::string& claims);

}  // namespace apk

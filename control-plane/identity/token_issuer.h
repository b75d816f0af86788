// The development token issuer: OAuth 2.0 client credentials (RFC 6749 4.4) for one well-known
// client, RS256 access tokens, and the key set to check them by (RFC 7517). Not for production: the
// client's secret is public knowledge. Immutable once open; thread-safe.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

typedef struct evp_pkey_st EVP_PKEY;

namespace apk {

struct TokenRequest {
  std::string_view method;
  std::string_view path;  // Without query.
  std::string_view content_type;
  std::string_view authorization;
  std::string_view body;
};

struct TokenResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// scope-tokens with single spaces between them (RFC 6749 3.3), of a sane size.
bool IsScope(std::string_view scope);

// The answer to a request that could not be read whole.
TokenResponse UnreadableRequest(int status, std::string_view description);

class TokenIssuer {
 public:
  static constexpr std::string_view kIssuer = "https://idp.am.wso2.com/token";
  static constexpr int64_t kLifetimeSeconds = 3600;

  // Reads the signing key (RSA 2048) at `key_path`, or makes it.
  static absl::StatusOr<std::unique_ptr<TokenIssuer>> Open(const std::string& key_path);
  // With a key that NewKey gave, PEM. DATA_LOSS where it is none.
  static absl::StatusOr<std::unique_ptr<TokenIssuer>> FromKey(const std::string& key_pem);
  static absl::StatusOr<std::string> NewKey();

  // POST /oauth2/token, GET /oauth2/jwks; errors as RFC 6749 5.2 has them.
  TokenResponse Serve(const TokenRequest& request, int64_t now_unix_seconds) const;

  // A signed token for the development client; "" when signing failed.
  std::string Issue(const std::string& scope, int64_t now_unix_seconds) const;
  const std::string& jwks() const { return jwks_; }

 private:
  TokenIssuer() = default;
  absl::Status DescribeKey();
  TokenResponse Token(const TokenRequest& request, int64_t now_unix_seconds) const;

  std::shared_ptr<EVP_PKEY> key_;
  std::string key_id_;  // RFC 7638 thumbprint.
  std::string jwks_;
};

}  // namespace apk

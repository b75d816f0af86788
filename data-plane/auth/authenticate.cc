// Finds the token, asks the cache, then the verifier, and words the refusal as APK 1.3 does.
#include "data-plane/auth/authenticate.h"

#include <vector>

#include "common/strings.h"
#include "common/jwt/jwt.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kLeeway{60};
constexpr std::string_view kDescription =
    "Make sure you have provided the correct security credentials";

Reply Refuse(uint16_t status, std::string_view message, std::string_view code,
             std::string_view description) {
  Reply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = Concat("{\n  \"error_message\": \"", message, "\",\n  \"code\": ", code,
                      ",\n  \"error_description\": \"", description, "\"\n}");
  return reply;
}

Reply MissingCredentials() {
  Reply reply = Refuse(401, "Missing Credentials", "900902", kDescription);
  reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"APK\"");
  return reply;
}

Reply InvalidCredentials() {
  Reply reply = Refuse(401, "Invalid Credentials", "900903", kDescription);
  reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"APK\", error=\"invalid_token\"");
  return reply;
}

Reply KeysUnavailable() {
  Reply reply = Refuse(503, "Service Unavailable", "900900",
                       "The keys of the token issuer are not available yet");
  reply.headers.emplace_back("Retry-After", "5");
  return reply;
}

struct Credentials {
  size_t fields = 0;
  std::string_view token;  // "" where the field is no Bearer token.
};

Credentials FindCredentials(const HeaderMap& headers, std::string_view name) {
  constexpr std::string_view kScheme = "bearer ";
  Credentials found;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (!EqualsIgnoreCase(headers.name(i), name)) continue;
    ++found.fields;
    const std::string_view value = TrimSpace(headers.value(i));
    if (value.size() <= kScheme.size()) continue;
    if (!EqualsIgnoreCase(value.substr(0, kScheme.size()), kScheme)) continue;
    found.token = TrimSpace(value.substr(kScheme.size()));
  }
  return found;
}

// A verdict holds for the token and everything that it was checked against.
std::string CacheKey(const AuthenticationPolicy& policy, std::string_view token) {
  std::string key(token);
  for (const TokenIssuer* issuer : policy.issuers) {
    key.append("\n", 1).append(issuer->name).append("\t", 1).append(issuer->issuer);
  }
  key += '\n';
  for (const std::string& audience : policy.audiences) key.append("\n", 1).append(audience);
  return key;
}

// The issuer may have changed its keys since they were fetched.
void WantKeys(const AuthenticationPolicy& policy, const KeyStore& keys) {
  for (const TokenIssuer* issuer : policy.issuers) {
    const auto it = keys.wanted.find(std::string_view(issuer->name));
    if (it != keys.wanted.end()) it->second->store(true, std::memory_order_relaxed);
  }
}

}  // namespace

std::optional<Reply> Authenticate(const AuthenticationPolicy& policy, const RequestHead& request,
                                  const KeyStore& keys, VerdictCache& cache, WallTime now) {
  const Credentials credentials = FindCredentials(request.headers, policy.header);
  if (credentials.fields == 0) {
    if (policy.optional) return std::nullopt;
    return MissingCredentials();
  }
  // Two fields could be read as one token here and as the other one behind us.
  if (credentials.fields > 1 || credentials.token.empty()) return InvalidCredentials();

  const std::string cache_key = CacheKey(policy, credentials.token);
  if (cache.IsGood(cache_key, keys.version, now)) return std::nullopt;

  std::vector<TrustedIssuer> issuers;
  for (const TokenIssuer* issuer : policy.issuers) {
    const auto it = keys.keys.find(std::string_view(issuer->name));
    const KeySet* set = it == keys.keys.end() ? nullptr : it->second.get();
    issuers.push_back({issuer->issuer, set});
  }
  const JwtResult result = VerifyJwt(credentials.token, {issuers, policy.audiences, kLeeway}, now);
  if (result.verdict == JwtVerdict::kKeysMissing) return KeysUnavailable();
  if (result.verdict == JwtVerdict::kUnknownKey) WantKeys(policy, keys);
  if (result.verdict != JwtVerdict::kOk) return InvalidCredentials();
  cache.Remember(cache_key, keys.version, result.expires + kLeeway);
  return std::nullopt;
}

}  // namespace apk

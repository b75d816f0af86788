// Structure first, then issuer and key, then the signature, and only then what the claims say.
#include "common/jwt/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/jwt/base64url.h"
#include "common/jwt/strict_json.h"

namespace apk {
namespace {

constexpr size_t kMaxTokenBytes = 16 << 10;
constexpr double kMaxSeconds = 253402300799.0;  // End of the year 9999.

struct Algorithm {
  std::string_view name;
  PublicKey::Kind kind;
  const char* digest;
  bool pss;
};

constexpr std::array<Algorithm, 6> kAlgorithms = {{
    {"RS256", PublicKey::Kind::kRsa, "SHA256", false},
    {"RS384", PublicKey::Kind::kRsa, "SHA384", false},
    {"RS512", PublicKey::Kind::kRsa, "SHA512", false},
    {"PS256", PublicKey::Kind::kRsa, "SHA256", true},
    {"ES256", PublicKey::Kind::kP256, "SHA256", false},
    {"ES384", PublicKey::Kind::kP384, "SHA384", false},
}};

struct Parts {
  std::string_view signed_text;
  nlohmann::json header;
  nlohmann::json claims;
  std::string claims_text;
  std::string signature;
};

std::optional<Parts> Parse(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto header = DecodeBase64Url(token.substr(0, first));
  auto claims = DecodeBase64Url(token.substr(first + 1, second - first - 1));
  auto signature = DecodeBase64Url(token.substr(second + 1));  // A third '.' is refused here.
  if (!header || !claims || !signature) return std::nullopt;
  auto header_json = ParseStrictObject(*header);
  auto claims_json = ParseStrictObject(*claims);
  if (!header_json || !claims_json) return std::nullopt;
  if (header_json->contains("crit")) return std::nullopt;  // We understand no extension.
  return Parts{token.substr(0, second), *std::move(header_json), *std::move(claims_json),
               *std::move(claims), *std::move(signature)};
}

// A JWS has r and s side by side (RFC 7518, 3.4), OpenSSL wants them as DER.
std::optional<std::string> EcdsaToDer(std::string_view raw, size_t number_size) {
  if (raw.size() != 2 * number_size) return std::nullopt;
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  const int size = static_cast<int>(number_size);
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(),
                                                                        ECDSA_SIG_free);
  BIGNUM* r = BN_bin2bn(bytes, size, nullptr);
  BIGNUM* s = BN_bin2bn(bytes + size, size, nullptr);
  if (signature == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return std::nullopt;
  }
  std::array<unsigned char, 128> der{};  // P-384 needs 104.
  unsigned char* end = der.data();
  const int written = i2d_ECDSA_SIG(signature.get(), &end);
  if (written <= 0) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(der.data()), static_cast<size_t>(written));
}

bool SignatureFits(const Algorithm& algorithm, const PublicKey& key, const Parts& parts) {
  std::string signature = parts.signature;
  if (algorithm.kind != PublicKey::Kind::kRsa) {
    auto der = EcdsaToDer(signature, algorithm.kind == PublicKey::Kind::kP256 ? 32 : 48);
    if (!der.has_value()) return false;
    signature = *std::move(der);
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_PKEY_CTX* key_context = nullptr;  // Owned by context.
  bool fits =
      context != nullptr && EVP_DigestVerifyInit_ex(context.get(), &key_context, algorithm.digest,
                                                    nullptr, nullptr, key.key.get(), nullptr) == 1;
  if (fits && algorithm.pss) {
    fits = EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  fits = fits &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(),
                          reinterpret_cast<const unsigned char*>(parts.signed_text.data()),
                          parts.signed_text.size()) == 1;
  ERR_clear_error();
  return fits;
}

JwtVerdict VerifySignature(const Parts& parts, const JwtExpectations& expectations) {
  const std::string name = StringMember(parts.header, "alg").value_or("");
  const auto* const algorithm = std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                                             [&](const Algorithm& a) { return a.name == name; });
  if (algorithm == kAlgorithms.end()) return JwtVerdict::kUnsupportedAlgorithm;
  const std::optional<std::string> issuer = StringMember(parts.claims, "iss");
  const std::string key_id = StringMember(parts.header, "kid").value_or("");
  bool issuer_known = false;
  bool key_known = false;
  bool keys_missing = false;
  for (const TrustedIssuer& trusted : expectations.issuers) {
    if (!issuer.has_value() || trusted.issuer != *issuer) continue;
    issuer_known = true;
    if (trusted.keys == nullptr) {
      keys_missing = true;
      continue;
    }
    for (const PublicKey& key : trusted.keys->keys) {
      if (key.kind != algorithm->kind) continue;
      if (!key.algorithm.empty() && key.algorithm != name) continue;
      if (!key_id.empty() && !key.id.empty() && key.id != key_id) continue;
      key_known = true;
      if (SignatureFits(*algorithm, key, parts)) return JwtVerdict::kOk;
    }
  }
  if (!issuer_known) return JwtVerdict::kWrongIssuer;
  if (keys_missing) return JwtVerdict::kKeysMissing;
  return key_known ? JwtVerdict::kBadSignature : JwtVerdict::kUnknownKey;
}

// nullopt where it is absent; NaN where it is no time.
std::optional<double> Seconds(const nlohmann::json& claims, const char* name) {
  const auto it = claims.find(name);
  if (it == claims.end()) return std::nullopt;
  if (!it->is_number()) return std::nan("");
  const double seconds = it->get<double>();
  return seconds >= 0 && seconds <= kMaxSeconds ? seconds : std::nan("");
}

bool AudienceFits(const nlohmann::json& claims, std::span<const std::string> audiences) {
  if (audiences.empty()) return true;
  const auto it = claims.find("aud");
  if (it == claims.end()) return false;
  const auto wanted = [&](const nlohmann::json& value) {
    return value.is_string() && std::find(audiences.begin(), audiences.end(),
                                          value.get_ref<const std::string&>()) != audiences.end();
  };
  if (it->is_array()) return std::any_of(it->begin(), it->end(), wanted);
  return wanted(*it);
}

}  // namespace

JwtResult VerifyJwt(std::string_view token, const JwtExpectations& expectations, WallTime now) {
  std::optional<Parts> parts = Parse(token);
  if (!parts.has_value()) return {JwtVerdict::kMalformed, {}, {}};
  const JwtVerdict signature = VerifySignature(*parts, expectations);
  if (signature != JwtVerdict::kOk) return {signature, {}, {}};

  const std::optional<double> expires = Seconds(parts->claims, "exp");
  const std::optional<double> not_before = Seconds(parts->claims, "nbf");
  if (!expires.has_value() || std::isnan(*expires) || std::isnan(not_before.value_or(0))) {
    return {JwtVerdict::kMalformed, {}, {}};
  }
  // Clamped: the clock's nanoseconds end in 2262.
  const WallTime end(std::chrono::seconds(static_cast<int64_t>(std::min(*expires, 9e9))));
  const double now_seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  const auto leeway = static_cast<double>(expectations.leeway.count());
  if (now_seconds >= *expires + leeway) return {JwtVerdict::kExpired, end, {}};
  if (now_seconds < not_before.value_or(0) - leeway) return {JwtVerdict::kNotYetValid, {}, {}};
  if (!AudienceFits(parts->claims, expectations.audiences)) {
    return {JwtVerdict::kWrongAudience, {}, {}};
  }
  return {JwtVerdict::kOk, end, std::move(parts->claims_text)};
}

}  // namespace apk

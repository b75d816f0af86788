// Builds OpenSSL keys from their JSON parameters.
#include "common/jwt/jwks.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <optional>

#include "common/jwt/base64url.h"
#include "common/jwt/strict_json.h"

namespace apk {
namespace {

constexpr size_t kMaxDocumentBytes = 256 << 10;
constexpr size_t kMaxKeys = 64;
constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(OSSL_PARAM* p) const { OSSL_PARAM_free(p); }
  void operator()(OSSL_PARAM_BLD* p) const { OSSL_PARAM_BLD_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::shared_ptr<EVP_PKEY> Own(EVP_PKEY* key) {
  if (key == nullptr) return nullptr;
  return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

std::shared_ptr<EVP_PKEY> BuildKey(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return Own(key);
}

std::optional<std::string> Bytes(const nlohmann::json& jwk, const char* name) {
  const std::optional<std::string> text = StringMember(jwk, name);
  if (!text.has_value()) return std::nullopt;
  return DecodeBase64Url(*text);
}

Owned<BIGNUM> Number(const std::string& bytes) {
  return Owned<BIGNUM>(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                 static_cast<int>(bytes.size()), nullptr));
}

std::shared_ptr<EVP_PKEY> RsaKey(const nlohmann::json& jwk) {
  const auto modulus = Bytes(jwk, "n");
  const auto exponent = Bytes(jwk, "e");
  if (!modulus || !exponent) return nullptr;
  const Owned<BIGNUM> n = Number(*modulus);
  const Owned<BIGNUM> e = Number(*exponent);
  if (!n || !e) return nullptr;
  // An even or tiny exponent is no RSA key; a huge one makes each check slow.
  if (BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) == 1 || BN_num_bits(e.get()) > 33)
    return nullptr;
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return BuildKey("RSA", builder.get());
}

std::shared_ptr<EVP_PKEY> EcKey(const nlohmann::json& jwk) {
  const std::string curve = StringMember(jwk, "crv").value_or("");
  const size_t size = curve == "P-256" ? 32 : curve == "P-384" ? 48 : 0;
  const auto x = Bytes(jwk, "x");
  const auto y = Bytes(jwk, "y");
  if (size == 0 || !x || !y || x->size() != size || y->size() != size) return nullptr;
  const std::string point = "\x04" + *x + *y;
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.data(),
                                      curve.size()) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return BuildKey("EC", builder.get());
}

std::optional<PublicKey::Kind> KindOf(EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    if (bits < kMinRsaBits || bits > kMaxRsaBits) return std::nullopt;
    return PublicKey::Kind::kRsa;
  }
  if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
  char group[64] = {};
  if (EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr) != 1) return std::nullopt;
  const std::string_view name = group;
  if (name == "prime256v1" || name == "P-256") return PublicKey::Kind::kP256;
  if (name == "secp384r1" || name == "P-384") return PublicKey::Kind::kP384;
  return std::nullopt;
}

std::optional<PublicKey> KeyOf(const nlohmann::json& jwk) {
  if (!jwk.is_object() || StringMember(jwk, "use").value_or("sig") != "sig") return std::nullopt;
  const std::string type = StringMember(jwk, "kty").value_or("");
  PublicKey key;
  if (type == "RSA") key.key = RsaKey(jwk);
  if (type == "EC") key.key = EcKey(jwk);
  if (key.key == nullptr) return std::nullopt;
  const std::optional<PublicKey::Kind> kind = KindOf(key.key.get());
  if (!kind.has_value()) return std::nullopt;
  key.kind = *kind;
  key.id = StringMember(jwk, "kid").value_or("");
  key.algorithm = StringMember(jwk, "alg").value_or("");
  return key;
}

}  // namespace

absl::StatusOr<KeySet> ParseJwks(std::string_view json) {
  if (json.size() > kMaxDocumentBytes)
    return absl::InvalidArgumentError("JWKS is larger than 256 KiB");
  const std::optional<nlohmann::json> document = ParseStrictObject(json);
  if (!document.has_value()) return absl::InvalidArgumentError("JWKS is no JSON object");
  const auto keys = document->find("keys");
  if (keys == document->end() || !keys->is_array()) {
    return absl::InvalidArgumentError("JWKS has no array 'keys'");
  }
  KeySet set;
  for (const nlohmann::json& jwk : *keys) {
    if (set.keys.size() == kMaxKeys) break;
    if (std::optional<PublicKey> key = KeyOf(jwk)) set.keys.push_back(*std::move(key));
  }
  if (set.keys.empty()) return absl::InvalidArgumentError("JWKS has no usable key");
  return set;
}

absl::StatusOr<KeySet> KeySetOfCertificate(std::string_view pem) {
  if (pem.size() > kMaxDocumentBytes) {
    return absl::InvalidArgumentError("certificate is larger than 256 KiB");
  }
  const Owned<BIO> reader(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<X509> certificate(PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr));
  PublicKey key;
  if (certificate) key.key = Own(X509_get_pubkey(certificate.get()));
  ERR_clear_error();
  if (key.key == nullptr)
    return absl::InvalidArgumentError("issuer certificate is no PEM certificate");
  const std::optional<PublicKey::Kind> kind = KindOf(key.key.get());
  if (!kind.has_value()) {
    return absl::InvalidArgumentError(
        "issuer certificate has neither RSA >= 2048, P-256 nor P-384");
  }
  key.kind = *kind;
  KeySet set;
  set.keys.push_back(std::move(key));
  return set;
}

}  // namespace apk

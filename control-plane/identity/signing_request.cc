// The signature proves that who asks has the private key.
#include "control-plane/identity/signing_request.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/sealed.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kBytesMax = 16 * 1024;
constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;  // Larger ones take long to check.
constexpr int kEcBitsMin = 256;

bool IsStrong(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return bits >= kRsaBitsMin && bits <= kRsaBitsMax;
    case EVP_PKEY_EC:
      return bits >= kEcBitsMin;
    case EVP_PKEY_ED25519:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string HashOfKey(EVP_PKEY* key) {
  unsigned char* bytes = nullptr;
  const int size = i2d_PUBKEY(key, &bytes);
  if (size <= 0) return "";
  const std::string der(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return Hex(Sha256(der));
}

absl::StatusOr<SigningRequest> ParseSigningRequest(std::string_view der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<X509_REQ, void (*)(X509_REQ*)> parsed(
      der.size() > kBytesMax ? nullptr
                             : d2i_X509_REQ(nullptr, &bytes, static_cast<long>(der.size())),
      X509_REQ_free);
  SigningRequest request;
  if (parsed != nullptr) {
    request.key = std::shared_ptr<EVP_PKEY>(X509_REQ_get_pubkey(parsed.get()), EVP_PKEY_free);
  }
  const bool strong = request.key != nullptr && IsStrong(request.key.get());
  const bool proven = strong && X509_REQ_verify(parsed.get(), request.key.get()) == 1;
  ERR_clear_error();
  if (request.key == nullptr) {
    return absl::InvalidArgumentError("the certificate request can't be read (PKCS#10, DER)");
  }
  if (!strong) {
    return absl::InvalidArgumentError(
        "the certificate request's key is too weak: ECDSA on P-256 or larger, Ed25519, or RSA of "
        "2048 to 8192 bits are taken");
  }
  if (!proven) {
    return absl::InvalidArgumentError("the certificate request is not signed by its own key");
  }
  request.key_hash = HashOfKey(request.key.get());
  return request;
}

}  // namespace apk

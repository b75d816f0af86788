// What somebody who made a key of its own asks to be certified (PKCS#10, RFC 2986). Immutable.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

typedef struct evp_pkey_st EVP_PKEY;

namespace apk {

struct SigningRequest {
  std::shared_ptr<EVP_PKEY> key;  // The public one.
  std::string key_hash;           // As HashOfKey has it.
};

// `der` is untrusted. INVALID_ARGUMENT where it is malformed, not signed by its own key, or where
// the key is too weak: ECDSA on P-256 or larger, Ed25519, and RSA from 2048 bits are taken.
absl::StatusOr<SigningRequest> ParseSigningRequest(std::string_view der);

// SHA-256 of the public key (its SubjectPublicKeyInfo, RFC 5280 4.1), 64 hex digits.
std::string HashOfKey(EVP_PKEY* key);

}  // namespace apk

// Public keys that tokens are checked with. Values; a KeySet is immutable once shared.
#pragma once

#include <absl/status/statusor.h>
#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

struct PublicKey {
  enum class Kind : uint8_t { kRsa, kP256, kP384 };
  std::string id;         // "kid"; "": any.
  std::string algorithm;  // "alg"; "": any that fits the kind.
  Kind kind = Kind::kRsa;
  std::shared_ptr<EVP_PKEY> key;
};

struct KeySet {
  std::vector<PublicKey> keys;
};

// RFC 7517. Keys of other kinds, for encryption, or weaker than RSA 2048 are left out; a document
// without any usable key is an error. At most 256 KiB and 64 keys.
absl::StatusOr<KeySet> ParseJwks(std::string_view json);

// The key of a PEM certificate.
absl::StatusOr<KeySet> KeySetOfCertificate(std::string_view pem);

}  // namespace apk

// The agent's private key, which never leaves its machine, and what OpenSSL says of the certificate
// for it. All texts are PEM unless they are said to be DER. Pure.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <string>

namespace apk {

using SystemTime = std::chrono::system_clock::time_point;

// ECDSA on P-256.
absl::StatusOr<std::string> NewPrivateKey();

// A certificate request (PKCS#10, RFC 2986), DER, signed by the key.
absl::StatusOr<std::string> MakeSigningRequest(const std::string& key_pem,
                                               const std::string& common_name);

// FAILED_PRECONDITION where the chain's first certificate is for another key, or either can't be
// read.
absl::Status CheckKeyPair(const std::string& certificate_pem, const std::string& key_pem);

struct Validity {
  SystemTime begins;
  SystemTime ends;
};
// Of the first certificate.
absl::StatusOr<Validity> ValidityOf(const std::string& certificate_pem);

}  // namespace apk

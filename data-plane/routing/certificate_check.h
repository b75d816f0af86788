// Whether a certificate can be served, before any listener tries. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace apk {

// The chain is PEM, leaf first, and the private key (PEM, no passphrase) is the leaf's.
absl::Status CheckCertificate(std::string_view chain_pem, std::string_view key_pem);

// At least one PEM certificate is in it.
absl::Status CheckCaCertificates(std::string_view pem);

}  // namespace apk

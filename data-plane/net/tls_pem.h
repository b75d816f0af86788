// PEM into OpenSSL's objects. For net/ only.
#pragma once

#include <absl/status/status.h>
#include <openssl/ssl.h>

#include <memory>
#include <string_view>
#include <vector>

namespace apk {

using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;

// Takes the reason from OpenSSL's error queue and empties it.
absl::Status OpenSslError(std::string_view what);

// Every certificate in it, in order.
std::vector<X509Ptr> ReadCertificates(std::string_view pem);

// Certificate, chain and key, beside those of other types of keys.
absl::Status LoadCertificate(SSL_CTX* context, std::string_view chain_pem,
                             std::string_view key_pem);

// The certificates become what peers are verified against; any of them ends a chain.
absl::Status LoadTrust(SSL_CTX* context, std::string_view ca_pem);

}  // namespace apk

// OpenSSL contexts from PEM, made once per snapshot or backend and shared by connections. A
// connection keeps the context it started with. Immutable once made; thread-safe.
#pragma once

#include <absl/status/statusor.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

using SslContext = std::shared_ptr<SSL_CTX>;

struct ServerCertificate {
  std::vector<std::string>
      hostnames;  // SNI names it is chosen for: exact, "*.suffix", or "" for any.
  std::string chain_pem;
  std::string key_pem;
};

// For one port. The most specific name wins; without SNI or a match the first certificate is used.
// TLS 1.2 with AEAD suites and TLS 1.3, no renegotiation, ALPN h2 and http/1.1.
absl::StatusOr<SslContext> MakeServerContext(const std::vector<ServerCertificate>& certificates);

// For one backend: verifies the chain against `ca_pem`, or the system's roots where that is "".
absl::StatusOr<SslContext> MakeClientContext(std::string_view ca_pem);

// Prepares a client connection: SNI, and the names one of which the certificate must carry.
// False when OpenSSL refuses them.
bool SetServerNames(SSL* ssl, const std::string& server_name,
                    const std::vector<std::string>& allowed_names);

}  // namespace apk

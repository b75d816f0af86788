// TLS of a gRPC server whose certificate is renewed while it runs.
#pragma once

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "control-plane/identity/served_certificate.h"

namespace apk {

struct ReloadingTls {
  std::shared_ptr<ServedCertificate> certificate;
  std::string chain_end;  // PEM, shown behind the certificate's chain where that does not have it.
  std::string trust_pem;  // Who signs clients' certificates.
  grpc_ssl_client_certificate_request_type clients;
};

// They outlive the server: it asks them at each handshake.
std::shared_ptr<grpc::ServerCredentials> ReloadingCredentials(ReloadingTls tls);

}  // namespace apk

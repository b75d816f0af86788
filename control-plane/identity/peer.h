// Who is at the other end of a gRPC connection.
#pragma once

#include <grpcpp/security/auth_context.h>

#include "control-plane/identity/peer_certificate.h"

namespace apk {

// By the client certificate, whose chain gRPC has verified. `trust_domain` as for certificates.
PeerCertificate PeerOf(const grpc::AuthContext& context, std::string_view trust_domain);

}  // namespace apk

// gRPC hands the leaf over as PEM.
#include "control-plane/identity/peer.h"

#include <grpc/grpc_security_constants.h>

namespace apk {

PeerCertificate PeerOf(const grpc::AuthContext& context, std::string_view trust_domain) {
  for (const grpc::string_ref& pem : context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
    return PeerOfPem(std::string(pem.data(), pem.size()), trust_domain);
  }
  return {};
}

}  // namespace apk

// By the certificate of the connection, at each call: a connection may outlast its rights.
#include "control-plane/admin/caller.h"

#include <ctime>

#include "control-plane/identity/peer.h"

namespace apk {

grpc::Status CheckUser(const grpc::ServerContext& context, const IdentityLedger& identities) {
  const PeerCertificate peer = PeerOf(*context.auth_context(), identities.trust_domain());
  if (peer.IsUser()) return ToGrpc(identities.Check(peer, std::time(nullptr)));
  return {grpc::StatusCode::PERMISSION_DENIED,
          "the admin API needs a user's certificate (spiffe://apk/user/…)"};
}

std::string AuthorOf(const grpc::ServerContext& context, const IdentityLedger& identities) {
  return PeerOf(*context.auth_context(), identities.trust_domain()).uri;
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace apk

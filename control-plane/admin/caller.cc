// By the certificate of the connection, at each call.
#include "control-plane/admin/caller.h"

#include "control-plane/identity/peer.h"

namespace apk {

grpc::Status CheckUser(const grpc::ServerContext& context) {
  if (IsUser(*context.auth_context())) return grpc::Status::OK;
  return {grpc::StatusCode::PERMISSION_DENIED,
          "the admin API needs a user's certificate (spiffe://apk/user/…)"};
}

std::string AuthorOf(const grpc::ServerContext& context) {
  return PeerIdentity(*context.auth_context());
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace apk

// At each call: a connection may outlast its rights.
#include "control-plane/admin/caller.h"

#include <ctime>

#include "control-plane/identity/peer.h"

namespace apk {

Credentials CredentialsOf(const grpc::ServerContextBase& context, std::string_view trust_domain) {
  Credentials credentials;
  credentials.certificate = PeerOf(*context.auth_context(), trust_domain);
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  for (auto field = first; field != last; ++field) {
    AddAuthorization({field->second.data(), field->second.size()}, credentials.authorization);
  }
  return credentials;
}

grpc::Status CheckUser(const grpc::ServerContext& context, const Authenticator& authenticator) {
  const std::string& trust_domain = authenticator.ledger().trust_domain();
  return ToGrpc(
      authenticator.User(CredentialsOf(context, trust_domain), std::time(nullptr)).status());
}

Principal CallerOf(const grpc::ServerContext& context, const Authenticator& authenticator) {
  const Credentials credentials = CredentialsOf(context, authenticator.ledger().trust_domain());
  absl::StatusOr<Principal> caller = authenticator.Identify(credentials, std::time(nullptr));
  if (caller.ok()) return *std::move(caller);
  return {.name = credentials.certificate.uri, .groups = {}};
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace apk

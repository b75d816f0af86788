// Who calls the admin API, and what a call is answered where something is wrong.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>

#include "control-plane/identity/identity_ledger.h"

namespace apk {

// PERMISSION_DENIED where the certificate is no user's or is revoked, UNAUTHENTICATED where it has
// expired since the connection began.
grpc::Status CheckUser(const grpc::ServerContext& context, const IdentityLedger& identities);
// Whom changes are noted of: the URI of the certificate.
std::string AuthorOf(const grpc::ServerContext& context, const IdentityLedger& identities);

grpc::Status ToGrpc(const absl::Status& status);

template <class Response>
grpc::Status Take(absl::StatusOr<Response> result, Response* response) {
  if (!result.ok()) return ToGrpc(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

}  // namespace apk

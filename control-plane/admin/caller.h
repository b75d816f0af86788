// Who calls the admin API, and what a call is answered where something is wrong.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>
#include <utility>

#include "control-plane/authentication/authenticator.h"

namespace apk {

// What a call shows: the certificate of the connection, and its own token.
Credentials CredentialsOf(const grpc::ServerContextBase& context, std::string_view trust_domain);
// Errors are Authenticator::User's.
grpc::Status CheckUser(const grpc::ServerContext& context, const Authenticator& authenticator);
// Whom changes are noted of, let in or not; without a name where nobody can be told.
Principal CallerOf(const grpc::ServerContext& context, const Authenticator& authenticator);

grpc::Status ToGrpc(const absl::Status& status);

template <class Response>
grpc::Status Take(absl::StatusOr<Response> result, Response* response) {
  if (!result.ok()) return ToGrpc(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

}  // namespace apk

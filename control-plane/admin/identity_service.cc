// It checks who asks, and moves messages.
#include "control-plane/admin/identity_service.h"

#include <ctime>

#include "common/strings.h"
#include "control-plane/admin/caller.h"
#include "control-plane/identity/spiffe.h"

namespace apk {

grpc::Status IdentityService::CreateJoinToken(grpc::ServerContext* context,
                                              const v1::CreateJoinTokenRequest* request,
                                              v1::CreateJoinTokenResponse* response) {
  if (const grpc::Status user = CheckUser(*context, ledger_); !user.ok()) return user;
  return Take(enrollment_.CreateToken(*request, AuthorOf(*context, ledger_), std::time(nullptr)),
              response);
}

grpc::Status IdentityService::ListJoinTokens(grpc::ServerContext* context,
                                             const v1::ListJoinTokensRequest*,
                                             v1::ListJoinTokensResponse* response) {
  if (const grpc::Status user = CheckUser(*context, ledger_); !user.ok()) return user;
  return Take(enrollment_.ListTokens(std::time(nullptr)), response);
}

grpc::Status IdentityService::DeleteJoinToken(grpc::ServerContext* context,
                                              const v1::DeleteJoinTokenRequest* request,
                                              v1::DeleteJoinTokenResponse*) {
  if (const grpc::Status user = CheckUser(*context, ledger_); !user.ok()) return user;
  return ToGrpc(enrollment_.DeleteToken(request->id(), AuthorOf(*context, ledger_)));
}

grpc::Status IdentityService::Revoke(grpc::ServerContext* context, const v1::RevokeRequest* request,
                                     v1::RevokeResponse*) {
  if (const grpc::Status user = CheckUser(*context, ledger_); !user.ok()) return user;
  const std::string author = AuthorOf(*context, ledger_);
  const bool oneself = request->subject().role() == v1::Subject::USER &&
                       author == Concat(kUserUri, request->subject().name());
  if (oneself) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "that is you: who revokes you must be another user"};
  }
  return ToGrpc(ledger_.Revoke(request->subject(), request->reason(), author, std::time(nullptr)));
}

grpc::Status IdentityService::Unrevoke(grpc::ServerContext* context,
                                       const v1::UnrevokeRequest* request, v1::UnrevokeResponse*) {
  if (const grpc::Status user = CheckUser(*context, ledger_); !user.ok()) return user;
  return ToGrpc(ledger_.Unrevoke(request->subject(), AuthorOf(*context, ledger_)));
}

grpc::Status IdentityService::ListRevocations(grpc::ServerContext* context,
                                              const v1::ListRevocationsRequest*,
                                              v1::ListRevocationsResponse* response) {
  if (const grpc::Status user = CheckUser(*context, ledger_); !user.ok()) return user;
  if (const absl::Status loaded = ledger_.Load(); !loaded.ok()) return ToGrpc(loaded);
  for (v1::Revocation& revocation : ledger_.Revocations()) {
    *response->add_revocations() = std::move(revocation);
  }
  return grpc::Status::OK;
}

}  // namespace apk

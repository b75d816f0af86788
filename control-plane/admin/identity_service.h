// The gRPC face of join tokens and revocations, towards administrators.
#pragma once

#include <string>

#include "apk/v1/identity.grpc.pb.h"
#include "control-plane/admin/guard.h"
#include "control-plane/enrollment/enrollment.h"
#include "control-plane/identity/authority_rotation.h"
#include "control-plane/identity/identity_ledger.h"

namespace apk {

class IdentityService final : public v1::IdentityService::Service {
 public:
  // All of them outlive it.
  IdentityService(IdentityLedger& ledger, Enrollment& enrollment, AuthorityRotation& rotation,
                  const Guard& guard)
      : ledger_(ledger), enrollment_(enrollment), rotation_(rotation), guard_(guard) {}

  grpc::Status CreateJoinToken(grpc::ServerContext* context,
                               const v1::CreateJoinTokenRequest* request,
                               v1::CreateJoinTokenResponse* response) override;
  grpc::Status ListJoinTokens(grpc::ServerContext* context,
                              const v1::ListJoinTokensRequest* request,
                              v1::ListJoinTokensResponse* response) override;
  grpc::Status DeleteJoinToken(grpc::ServerContext* context,
                               const v1::DeleteJoinTokenRequest* request,
                               v1::DeleteJoinTokenResponse* response) override;
  grpc::Status LabelAgent(grpc::ServerContext* context, const v1::LabelAgentRequest* request,
                          v1::LabelAgentResponse* response) override;
  grpc::Status Revoke(grpc::ServerContext* context, const v1::RevokeRequest* request,
                      v1::RevokeResponse* response) override;
  grpc::Status Unrevoke(grpc::ServerContext* context, const v1::UnrevokeRequest* request,
                        v1::UnrevokeResponse* response) override;
  grpc::Status ListRevocations(grpc::ServerContext* context,
                               const v1::ListRevocationsRequest* request,
                               v1::ListRevocationsResponse* response) override;
  grpc::Status GetAuthorities(grpc::ServerContext* context,
                              const v1::GetAuthoritiesRequest* request,
                              v1::Authorities* response) override;
  grpc::Status RotateAuthority(grpc::ServerContext* context,
                               const v1::RotateAuthorityRequest* request,
                               v1::Authorities* response) override;

 private:
  // By an administrator, about one object of `kind`: the roles are asked, and it is noted.
  template <class Do>
  grpc::Status Change(const grpc::ServerContext& context, const std::string& verb,
                      const std::string& kind, const std::string& name, const Do& change);

  grpc::Status MayList(const grpc::ServerContext& context) const;

  IdentityLedger& ledger_;
  Enrollment& enrollment_;
  AuthorityRotation& rotation_;
  const Guard guard_;
};

}  // namespace apk

// It checks who asks, and moves messages.
#include "control-plane/admin/identity_service.h"

#include <ctime>

#include "common/strings.h"
#include "control-plane/admin/caller.h"
#include "control-plane/identity/spiffe.h"

namespace apk {
namespace {

using Need = AccessRequest::Need;

constexpr char kJoinToken[] = "JoinToken";
constexpr char kAgent[] = "Agent";

const char* KindOf(const v1::Subject& subject) {
  return subject.role() == v1::Subject::USER ? "User" : kAgent;
}

}  // namespace

template <class Do>
grpc::Status IdentityService::Change(const grpc::ServerContext& context, const std::string& verb,
                                     const std::string& kind, const std::string& name,
                                     const Do& change) {
  GuardedRequest request(guard_, context, verb, false);
  request.About({{"", kind, "", name}});
  request.Needs(AccessTo(request.user(), verb, "identities", Need::kAdmin));
  if (const grpc::Status begun = request.Begin(); !begun.ok()) return begun;
  return request.End(change(request.user().name), 0, {});
}

grpc::Status IdentityService::MayList(const grpc::ServerContext& context) const {
  if (const grpc::Status user = CheckUser(context, guard_.authenticator); !user.ok()) return user;
  return ToGrpc(
      guard_.gate.Check(AccessTo(guard_.UserOf(context), "list", "identities", Need::kAdmin)));
}

grpc::Status IdentityService::CreateJoinToken(grpc::ServerContext* context,
                                              const v1::CreateJoinTokenRequest* request,
                                              v1::CreateJoinTokenResponse* response) {
  return Change(*context, "create", kJoinToken, request->agent(), [&](const std::string& author) {
    return Take(enrollment_.CreateToken(*request, author, std::time(nullptr)), response);
  });
}

grpc::Status IdentityService::ListJoinTokens(grpc::ServerContext* context,
                                             const v1::ListJoinTokensRequest*,
                                             v1::ListJoinTokensResponse* response) {
  if (const grpc::Status may = MayList(*context); !may.ok()) return may;
  return Take(enrollment_.ListTokens(std::time(nullptr)), response);
}

grpc::Status IdentityService::DeleteJoinToken(grpc::ServerContext* context,
                                              const v1::DeleteJoinTokenRequest* request,
                                              v1::DeleteJoinTokenResponse*) {
  return Change(*context, "delete", kJoinToken, request->id(), [&](const std::string& author) {
    return ToGrpc(enrollment_.DeleteToken(request->id(), author));
  });
}

grpc::Status IdentityService::LabelAgent(grpc::ServerContext* context,
                                         const v1::LabelAgentRequest* request,
                                         v1::LabelAgentResponse* response) {
  return Change(*context, "label", kAgent, request->agent(), [&](const std::string& author) {
    return Take(enrollment_.LabelAgent(*request, author), response);
  });
}

grpc::Status IdentityService::Revoke(grpc::ServerContext* context, const v1::RevokeRequest* request,
                                     v1::RevokeResponse* response) {
  const v1::Subject& subject = request->subject();
  return Change(
      *context, "revoke", KindOf(subject), subject.name(),
      [&](const std::string& author) -> grpc::Status {
        const bool oneself =
            subject.role() == v1::Subject::USER &&
            (author == Concat(kUserUri, subject.name()) || author == subject.name());
        if (oneself) {
          return {grpc::StatusCode::INVALID_ARGUMENT,
                  "that is you: who revokes you must be another user"};
        }
        response->set_unknown(subject.role() == v1::Subject::AGENT &&
                              !enrollment_.Knows(subject.name()));
        return ToGrpc(ledger_.Revoke(subject, request->reason(), author, std::time(nullptr)));
      });
}

grpc::Status IdentityService::Unrevoke(grpc::ServerContext* context,
                                       const v1::UnrevokeRequest* request, v1::UnrevokeResponse*) {
  const v1::Subject& subject = request->subject();
  return Change(
      *context, "unrevoke", KindOf(subject), subject.name(),
      [&](const std::string& author) { return ToGrpc(ledger_.Unrevoke(subject, author)); });
}

grpc::Status IdentityService::ListRevocations(grpc::ServerContext* context,
                                              const v1::ListRevocationsRequest*,
                                              v1::ListRevocationsResponse* response) {
  if (const grpc::Status may = MayList(*context); !may.ok()) return may;
  if (const absl::Status loaded = ledger_.Load(); !loaded.ok()) return ToGrpc(loaded);
  for (v1::Revocation& revocation : ledger_.Revocations()) {
    *response->add_revocations() = std::move(revocation);
  }
  return grpc::Status::OK;
}

grpc::Status IdentityService::GetAuthorities(grpc::ServerContext* context,
                                             const v1::GetAuthoritiesRequest*,
                                             v1::Authorities* response) {
  if (const grpc::Status may = MayList(*context); !may.ok()) return may;
  if (const absl::Status loaded = ledger_.Load(); !loaded.ok()) return ToGrpc(loaded);
  return Take(rotation_.Status(std::time(nullptr)), response);
}

grpc::Status IdentityService::RotateAuthority(grpc::ServerContext* context,
                                              const v1::RotateAuthorityRequest* request,
                                              v1::Authorities* response) {
  const std::string verb = ToLower(v1::RotateAuthorityRequest::Step_Name(request->step()));
  return Change(*context, verb, "CertificateAuthority", "", [&](const std::string& author) {
    return Take(rotation_.Rotate(*request, author, std::time(nullptr)), response);
  });
}

}  // namespace apk

// Nothing is decided here but who may.
#include "control-plane/admin/guarded_admin_service.h"

#include "common/strings.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/caller.h"

namespace apk {
namespace {

using Need = AccessRequest::Need;

// The first that is wrong, and how many more are.
std::string ViolationsOf(const v1::ApplyResponse& response) {
  const v1::Violation* first = nullptr;
  size_t errors = 0;
  for (const v1::Violation& violation : response.violations()) {
    if (violation.severity() != v1::Violation::ERROR) continue;
    if (++errors == 1) first = &violation;
  }
  if (first == nullptr) return "";
  const std::string text = Concat(first->field_path(), ": ", first->message());
  return errors == 1 ? text : Concat(text, ", and ", std::to_string(errors - 1), " more errors");
}

}  // namespace

GuardedAdminService::GuardedAdminService(AdminService& admin, const Guard& guard)
    : admin_(admin), guard_(guard) {
  admin_.Ask(
      {.may_delete = [guard](const grpc::ServerContext& context) -> Configuration::MayDelete {
         return [guard, user = guard.UserOf(context)](const ResourceKey& key) {
           return CheckObject(guard.gate, user, "delete", key);
         };
       },
       .may_watch =
           [guard](const grpc::ServerContext& context, const ResourceKey& key) {
             return CheckObject(guard.gate, guard.UserOf(context), "watch", key);
           }});
}

grpc::Status GuardedAdminService::Apply(grpc::ServerContext* context,
                                        const v1::ApplyRequest* request,
                                        v1::ApplyResponse* response) {
  GuardedRequest change(guard_, *context, "apply", request->dry_run());
  if (guard_.gate.has_roles()) change.About(KeysOf(*request));
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  const grpc::Status status = admin_.Apply(context, request, response);
  const std::string wrong = ViolationsOf(*response);
  const bool refused = !status.ok() || !wrong.empty();
  if (refused && !guard_.gate.has_roles()) change.About(KeysOf(*request));
  if (wrong.empty()) return change.End(status, response->revision(), response->results());
  change.Refuse("Invalid", wrong);
  return status;
}

grpc::Status GuardedAdminService::Delete(grpc::ServerContext* context,
                                         const v1::DeleteRequest* request,
                                         v1::DeleteResponse* response) {
  GuardedRequest change(guard_, *context, "delete", request->dry_run());
  std::vector<ResourceKey> keys;
  for (const v1::ObjectKey& key : request->keys()) keys.push_back(FromProto(key));
  change.About(keys);
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  const grpc::Status status = admin_.Delete(context, request, response);
  return change.End(status, response->revision(), response->results());
}

grpc::Status GuardedAdminService::Rollback(grpc::ServerContext* context,
                                           const v1::RollbackRequest* request,
                                           v1::RollbackResponse* response) {
  GuardedRequest change(guard_, *context, "rollback", request->dry_run());
  change.Needs(AccessTo(change.user(), "create", "rollbacks", Need::kAdmin));
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  const grpc::Status status = admin_.Rollback(context, request, response);
  return change.End(status, response->revision(), response->results());
}

grpc::Status GuardedAdminService::Get(grpc::ServerContext* context, const v1::GetRequest* request,
                                      v1::GetResponse* response) {
  const absl::Status may =
      CheckObject(guard_.gate, guard_.UserOf(*context), "get", FromProto(request->key()));
  return may.ok() ? admin_.Get(context, request, response) : ToGrpc(may);
}

grpc::Status GuardedAdminService::List(grpc::ServerContext* context, const v1::ListRequest* request,
                                       v1::ListResponse* response) {
  const absl::Status may =
      CheckObject(guard_.gate, guard_.UserOf(*context), "list",
                  {request->group(), request->kind(), request->namespace_(), ""});
  return may.ok() ? admin_.List(context, request, response) : ToGrpc(may);
}

grpc::Status GuardedAdminService::Watch(grpc::ServerContext* context,
                                        const v1::WatchRequest* request,
                                        grpc::ServerWriter<v1::WatchEvent>* writer) {
  return admin_.Watch(context, request, writer);  // It asks, again and again.
}

grpc::Status GuardedAdminService::ListRevisions(grpc::ServerContext* context,
                                                const v1::ListRevisionsRequest* request,
                                                v1::ListRevisionsResponse* response) {
  const absl::Status may =
      guard_.gate.Check(AccessTo(guard_.UserOf(*context), "list", "revisions", Need::kRead));
  return may.ok() ? admin_.ListRevisions(context, request, response) : ToGrpc(may);
}

grpc::Status GuardedAdminService::ListAgents(grpc::ServerContext* context,
                                             const v1::ListAgentsRequest* request,
                                             v1::ListAgentsResponse* response) {
  const absl::Status may =
      guard_.gate.Check(AccessTo(guard_.UserOf(*context), "list", "agents", Need::kAnyRole));
  return may.ok() ? admin_.ListAgents(context, request, response) : ToGrpc(may);
}

grpc::Status GuardedAdminService::IssueToken(grpc::ServerContext* context,
                                             const v1::IssueTokenRequest* request,
                                             v1::IssueTokenResponse* response) {
  GuardedRequest change(guard_, *context, "create", false);
  change.About({{"", "AccessToken", "", request->scope()}});
  change.Needs(AccessTo(change.user(), "create", "tokens", Need::kEditSomewhere));
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  return change.End(admin_.IssueToken(context, request, response), 0, {});
}

}  // namespace apk

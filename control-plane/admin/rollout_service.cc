// It checks who asks, notes what is changed, and moves messages.
#include "control-plane/admin/rollout_service.h"

#include "common/strings.h"
#include "control-plane/admin/caller.h"

namespace apk {
namespace {

using Need = AccessRequest::Need;
using Request = v1::SteerRolloutRequest;

constexpr char kRollouts[] = "rollouts";

std::string VerbOf(Request::Action action) {
  switch (action) {
    case Request::PROMOTE:
      return "promote";
    case Request::PAUSE:
      return "pause";
    case Request::RESUME:
      return "resume";
    case Request::ABORT:
      return "abort";
    case Request::RETRY:
      return "retry";
    default:
      return "steer";
  }
}

// What holds a change back is for whoever may edit everywhere, what lets it on for administrators.
Need NeedOf(Request::Action action) {
  return action == Request::PAUSE || action == Request::ABORT ? Need::kEdit : Need::kAdmin;
}

// "default" of "route/default/shop" and of "listener/default/web/http"; "" where it can't be told.
std::string NamespaceOf(const std::string& resource) {
  const std::vector<std::string_view> parts = Split(resource, '/');
  return parts.size() >= 3 ? std::string(parts[1]) : "";
}

}  // namespace

// Which objects there are in a namespace is for those to know who may read there. REQUIRES: they
// may read.
void RolloutService::HideOthers(const grpc::ServerContext& context, v1::Rollout& rollout) const {
  AccessRequest access = AccessTo(guard_.UserOf(context), "get", kRollouts, Need::kRead);
  if (guard_.gate.Check(access).ok()) return;  // Everywhere.
  // The reason speaks of all that is refused, and of what is held back for it.
  if (rollout.refusals_size() > 0 && !rollout.reason().empty()) {
    rollout.set_reason("agents refuse it");
  }
  for (v1::RolloutRefusal& refusal : *rollout.mutable_refusals()) {
    access.namespace_name = NamespaceOf(refusal.resource());
    if (!access.namespace_name.empty() && guard_.gate.Check(access).ok()) continue;
    refusal.clear_resource();
    refusal.set_message("it is about what you may not read");
  }
}

void RolloutService::HideOthers(const grpc::ServerContext& context,
                                v1::RolloutStatus& status) const {
  if (status.has_rollout()) HideOthers(context, *status.mutable_rollout());
  AccessRequest access = AccessTo(guard_.UserOf(context), "get", kRollouts, Need::kRead);
  if (guard_.gate.Check(access).ok()) return;
  google::protobuf::RepeatedPtrField<v1::HeldObject> all;
  all.Swap(status.mutable_held());
  for (v1::HeldObject& held : all) {
    access.namespace_name = held.namespace_();
    if (access.namespace_name.empty() || !guard_.gate.Check(access).ok()) continue;
    *status.add_held() = std::move(held);
  }
}

grpc::Status RolloutService::MayRead(const grpc::ServerContext& context) const {
  if (const grpc::Status user = CheckUser(context, guard_.authenticator); !user.ok()) return user;
  return ToGrpc(
      guard_.gate.Check(AccessTo(guard_.UserOf(context), "get", kRollouts, Need::kAnyRole)));
}

grpc::Status RolloutService::GetPolicy(grpc::ServerContext* context,
                                       const v1::GetRolloutPolicyRequest*,
                                       v1::RolloutPolicy* response) {
  if (const grpc::Status may = MayRead(*context); !may.ok()) return may;
  *response = control_.Policy();
  return grpc::Status::OK;
}

grpc::Status RolloutService::SetPolicy(grpc::ServerContext* context,
                                       const v1::SetRolloutPolicyRequest* request,
                                       v1::RolloutPolicy* response) {
  GuardedRequest change(guard_, *context, request->policy().stages().empty() ? "delete" : "update",
                        false);
  change.About({{"", "RolloutPolicy", "", ""}});
  change.Needs(AccessTo(change.user(), "update", "rolloutpolicies", Need::kAdmin));
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  return change.End(Take(control_.SetPolicy(*request, change.user().name), response), 0, {});
}

grpc::Status RolloutService::GetRollout(grpc::ServerContext* context, const v1::GetRolloutRequest*,
                                        v1::RolloutStatus* response) {
  if (const grpc::Status may = MayRead(*context); !may.ok()) return may;
  *response = control_.Status();
  HideOthers(*context, *response);
  return grpc::Status::OK;
}

grpc::Status RolloutService::ListRollouts(grpc::ServerContext* context,
                                          const v1::ListRolloutsRequest*,
                                          v1::ListRolloutsResponse* response) {
  if (const grpc::Status may = MayRead(*context); !may.ok()) return may;
  *response = control_.History();
  for (v1::Rollout& rollout : *response->mutable_rollouts()) HideOthers(*context, rollout);
  return grpc::Status::OK;
}

grpc::Status RolloutService::Steer(grpc::ServerContext* context,
                                   const v1::SteerRolloutRequest* request,
                                   v1::RolloutStatus* response) {
  const std::string verb = VerbOf(request->action());
  GuardedRequest change(guard_, *context, verb, false);
  change.About({{"", "Rollout", "", std::to_string(request->number())}});
  change.Needs(AccessTo(change.user(), verb, kRollouts, NeedOf(request->action())));
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  const grpc::Status status = Take(control_.Steer(*request, change.user().name), response);
  HideOthers(*context, *response);
  return change.End(status, response->rollout().revision(), {});
}

}  // namespace apk

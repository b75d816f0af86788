// The gRPC face of rollouts.
#pragma once

#include "apk/v1/rollout.grpc.pb.h"
#include "control-plane/admin/guard.h"
#include "control-plane/rollout/rollout_control.h"

namespace apk {

class RolloutService final : public v1::RolloutService::Service {
 public:
  // It outlives this.
  RolloutService(RolloutControl& control, const Guard& guard) : control_(control), guard_(guard) {}

  grpc::Status GetPolicy(grpc::ServerContext* context, const v1::GetRolloutPolicyRequest* request,
                         v1::RolloutPolicy* response) override;
  grpc::Status SetPolicy(grpc::ServerContext* context, const v1::SetRolloutPolicyRequest* request,
                         v1::RolloutPolicy* response) override;
  grpc::Status GetRollout(grpc::ServerContext* context, const v1::GetRolloutRequest* request,
                          v1::RolloutStatus* response) override;
  grpc::Status ListRollouts(grpc::ServerContext* context, const v1::ListRolloutsRequest* request,
                            v1::ListRolloutsResponse* response) override;
  grpc::Status Steer(grpc::ServerContext* context, const v1::SteerRolloutRequest* request,
                     v1::RolloutStatus* response) override;

 private:
  // Whoever has a role may know what its changes are at.
  grpc::Status MayRead(const grpc::ServerContext& context) const;
  void HideOthers(const grpc::ServerContext& context, v1::Rollout& rollout) const;
  void HideOthers(const grpc::ServerContext& context, v1::RolloutStatus& status) const;

  RolloutControl& control_;
  const Guard guard_;
};

}  // namespace apk

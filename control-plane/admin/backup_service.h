// The gRPC face of export, backup and restore: it checks who asks, and moves messages.
#pragma once

#include "apk/v1/backup.grpc.pb.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/admin/guard.h"
#include "control-plane/rollout/rollout_control.h"

namespace apk {

class BackupService final : public v1::BackupService::Service {
 public:
  // All outlive it.
  BackupService(Configuration& configuration, IdentityLedger& ledger, RolloutBook& rollouts,
                RolloutControl& rollout_control, const Guard& guard)
      : configuration_(configuration),
        ledger_(ledger),
        rollouts_(rollouts),
        rollout_control_(rollout_control),
        guard_(guard) {}

  grpc::Status Export(grpc::ServerContext* context, const v1::ExportRequest* request,
                      grpc::ServerWriter<v1::ExportResponse>* writer) override;
  grpc::Status Backup(grpc::ServerContext* context, const v1::BackupRequest* request,
                      grpc::ServerWriter<v1::BackupResponse>* writer) override;
  grpc::Status Restore(grpc::ServerContext* context, grpc::ServerReader<v1::RestoreRequest>* reader,
                       v1::RestoreResponse* response) override;

 private:
  bool MayExportWithoutSecrets(AccessRequest access) const;

  Configuration& configuration_;
  IdentityLedger& ledger_;
  RolloutBook& rollouts_;
  RolloutControl& rollout_control_;
  const Guard guard_;
};

}  // namespace apk

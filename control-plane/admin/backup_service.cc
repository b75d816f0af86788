// Everything is read from one view, so that all of it is of one revision.
#include "control-plane/admin/backup_service.h"

#include "control-plane/admin/caller.h"
#include "control-plane/admin/export.h"

namespace apk {

grpc::Status BackupService::Export(grpc::ServerContext* context, const v1::ExportRequest* request,
                                   grpc::ServerWriter<v1::ExportResponse>* writer) {
  if (const grpc::Status user = CheckUser(*context); !user.ok()) return user;
  ExportObjects(configuration_.Current(), *request,
                [writer](const v1::ExportResponse& part) { return writer->Write(part); });
  return grpc::Status::OK;
}

}  // namespace apk

// Everything is read from one view, so that all of it is of one revision.
#include "control-plane/admin/backup_service.h"

#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/admin/caller.h"
#include "control-plane/admin/export.h"

namespace apk {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kFileBytesMax = 1 << 30;

}  // namespace

grpc::Status BackupService::Export(grpc::ServerContext* context, const v1::ExportRequest* request,
                                   grpc::ServerWriter<v1::ExportResponse>* writer) {
  if (const grpc::Status user = CheckUser(*context); !user.ok()) return user;
  ExportObjects(configuration_.Current(), *request,
                [writer](const v1::ExportResponse& part) { return writer->Write(part); });
  return grpc::Status::OK;
}

grpc::Status BackupService::Backup(grpc::ServerContext* context, const v1::BackupRequest*,
                                   grpc::ServerWriter<v1::BackupResponse>* writer) {
  if (const grpc::Status user = CheckUser(*context); !user.ok()) return user;
  // What others have been told is stored must be in it.
  if (const absl::Status current = configuration_.CatchUp(); !current.ok()) return ToGrpc(current);
  const Configuration::View view = configuration_.Current();
  apk::Backup backup;
  backup.revision = view.revision;
  backup.created = Rfc3339Now();
  backup.program_version = APK_VERSION;
  backup.resources = *view.resources;
  const std::string file = WriteBackup(backup);
  v1::BackupResponse piece;
  for (size_t sent = 0; sent < file.size(); sent += kPieceBytes) {
    piece.set_data(file.substr(sent, kPieceBytes));
    if (!writer->Write(piece)) break;
  }
  return grpc::Status::OK;
}

grpc::Status BackupService::Restore(grpc::ServerContext* context,
                                    grpc::ServerReader<v1::RestoreRequest>* reader,
                                    v1::RestoreResponse* response) {
  if (const grpc::Status user = CheckUser(*context); !user.ok()) return user;
  v1::RestoreOptions options;
  std::string file;
  v1::RestoreRequest part;
  while (reader->Read(&part)) {
    if (part.has_options()) options = part.options();
    file += part.data();
    if (file.size() > kFileBytesMax) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the backup is larger than 1 GiB"};
    }
  }
  const absl::StatusOr<apk::Backup> backup = ReadBackup(file);
  if (!backup.ok()) return ToGrpc(backup.status());
  return Take(configuration_.Restore(*backup, options, AuthorOf(*context)), response);
}

}  // namespace apk

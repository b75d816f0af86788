// Everything is read from one view, so that all of it is of one revision.
#include "control-plane/admin/backup_service.h"

#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/admin/caller.h"
#include "control-plane/admin/export.h"

namespace apk {
namespace {

using Need = AccessRequest::Need;

constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kFileBytesMax = 1 << 30;

}  // namespace

grpc::Status BackupService::Export(grpc::ServerContext* context, const v1::ExportRequest* request,
                                   grpc::ServerWriter<v1::ExportResponse>* writer) {
  GuardedRequest exporting(guard_, *context, "export", !request->secrets());
  AccessRequest access =
      AccessTo(exporting.user(), "list", "exports", request->secrets() ? Need::kEdit : Need::kRead);
  access.namespace_name = request->namespace_();
  exporting.Needs(access);
  if (const grpc::Status begun = exporting.Begin(); !begun.ok()) {
    const bool for_secrets = begun.error_code() == grpc::StatusCode::PERMISSION_DENIED &&
                             request->secrets() && MayExportWithoutSecrets(access);
    return for_secrets ? grpc::Status(begun.error_code(),
                                      Concat(begun.error_message(),
                                             ": Secrets are for editors and admins to read; leave "
                                             "out --with-secrets"))
                       : begun;
  }
  ExportObjects(configuration_.Newest(), *request,
                [writer](const v1::ExportResponse& part) { return writer->Write(part); });
  return exporting.End(grpc::Status::OK, 0, {});
}

bool BackupService::MayExportWithoutSecrets(AccessRequest access) const {
  access.need = Need::kRead;
  return guard_.gate.Check(access).ok();
}

grpc::Status BackupService::Backup(grpc::ServerContext* context, const v1::BackupRequest*,
                                   grpc::ServerWriter<v1::BackupResponse>* writer) {
  GuardedRequest change(guard_, *context, "backup", false);
  change.Needs(AccessTo(change.user(), "create", "backups", Need::kAdmin));
  if (const grpc::Status begun = change.Begin(); !begun.ok()) return begun;
  // What others have been told is stored must be in it.
  absl::Status current = configuration_.CatchUp();
  current.Update(ledger_.Load());
  current.Update(rollouts_.Load());
  if (!current.ok()) return change.End(ToGrpc(current), 0, {});
  const Configuration::View view = configuration_.Current();
  apk::Backup backup;
  backup.revision = view.revision;
  backup.created = Rfc3339Now();
  backup.program_version = APK_VERSION;
  backup.resources = *view.resources;
  backup.identities = ledger_.Export();
  backup.rollouts = rollouts_.Export();
  const std::string file = WriteBackup(backup);
  v1::BackupResponse piece;
  for (size_t sent = 0; sent < file.size(); sent += kPieceBytes) {
    piece.set_data(file.substr(sent, kPieceBytes));
    if (!writer->Write(piece)) break;
  }
  return change.End(grpc::Status::OK, view.revision, {});
}

grpc::Status BackupService::Restore(grpc::ServerContext* context,
                                    grpc::ServerReader<v1::RestoreRequest>* reader,
                                    v1::RestoreResponse* response) {
  const auto begin = [&](GuardedRequest& change) {
    change.Needs(AccessTo(change.user(), "create", "restores", Need::kAdmin));
    return change.Begin();
  };
  // Who may not is not waited for.
  GuardedRequest upload(guard_, *context, "restore", false);
  if (const grpc::Status begun = begin(upload); !begun.ok()) return begun;
  v1::RestoreRequest part;
  reader->Read(&part);
  const v1::RestoreOptions options = part.options();
  std::string file;
  while (reader->Read(&part)) {
    file += part.data();
    if (file.size() > kFileBytesMax) {
      return upload.End({grpc::StatusCode::RESOURCE_EXHAUSTED, "the backup is larger than 1 GiB"},
                        0, {});
    }
  }
  // The right to it may have gone while the file came.
  GuardedRequest change(guard_, *context, "restore", options.dry_run());
  if (const grpc::Status begun = begin(change); !begun.ok()) return begun;
  const absl::StatusOr<apk::Backup> backup = ReadBackup(file);
  // With force the control plane that runs knows better, as of who has joined.
  const bool whole = backup.ok() && !options.force() && !options.dry_run();
  const RolloutPage page = whole ? PageOf(backup->rollouts) : RolloutPage();
  if (whole) {
    // What is refused changes nothing.
    v1::RestoreOptions trial = options;
    trial.set_dry_run(true);
    absl::Status may = configuration_.Restore(*backup, trial, change.user().name).status();
    if (may.ok()) may = rollout_control_.RestoreHeld(page);
    if (!may.ok()) return change.End(ToGrpc(may), 0, {});
  }
  grpc::Status status =
      backup.ok() ? Take(configuration_.Restore(*backup, options, change.user().name), response)
                  : ToGrpc(backup.status());
  // A control plane that is new must know who was shut out; one that is not knows better.
  if (status.ok() && whole) {
    status = ToGrpc(ledger_.Import(backup->identities));
    if (status.ok()) {
      status = ToGrpc(rollout_control_.RestorePolicy(page, change.user().name));
    }
  }
  return change.End(status, response->revision(), response->results());
}

}  // namespace apk

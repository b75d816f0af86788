// One sealed message.
#include "control-plane/backup/backup_file.h"

#include "apk/v1/backup.pb.h"
#include "common/sealed.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/resources/object_bytes.h"

namespace apk {
namespace {

constexpr std::string_view kMagic = "apk-bkp\n";
constexpr uint32_t kFormat = 1;

}  // namespace

std::string WriteBackup(const Backup& backup) {
  v1::BackupFile file;
  file.set_format(kFormat);
  file.set_program_version(backup.program_version);
  file.set_created(backup.created);
  file.set_revision(backup.revision);
  for (const auto& [key, object] : backup.resources.resources()) {
    v1::BackupObject* const stored = file.add_objects();
    stored->set_group(key.group);
    stored->set_kind(key.kind);
    stored->set_object(DeterministicBytes(*object));
  }
  for (const auto& [key, value] : backup.identities) {
    v1::BackupRecord* const stored = file.add_identities();
    stored->set_key(key);
    stored->set_value(value);
  }
  for (const auto& [key, value] : backup.rollouts) {
    v1::BackupRecord* const stored = file.add_rollouts();
    stored->set_key(key);
    stored->set_value(value);
  }
  return Seal(kMagic, file.SerializeAsString());
}

absl::StatusOr<Backup> ReadBackup(std::string_view file) {
  if (!file.starts_with(kMagic)) {
    return absl::InvalidArgumentError("this is no backup: apkctl backup writes them");
  }
  const std::optional<std::string_view> body = Unseal(kMagic, file);
  v1::BackupFile stored;
  if (!body.has_value() || !stored.ParseFromArray(body->data(), static_cast<int>(body->size()))) {
    return absl::DataLossError(
        "the backup is damaged or was cut off: its checksum is not that of its content; use "
        "another one");
  }
  if (stored.format() != kFormat) {
    return absl::FailedPreconditionError(
        Concat("the backup has format ", std::to_string(stored.format()), ", written by version ",
               stored.program_version(), "; this program reads format ", std::to_string(kFormat),
               ": use that version"));
  }
  Backup backup;
  backup.revision = stored.revision();
  backup.created = stored.created();
  backup.program_version = stored.program_version();
  for (const v1::BackupRecord& record : stored.identities()) {
    backup.identities.emplace_back(record.key(), record.value());
  }
  for (const v1::BackupRecord& record : stored.rollouts()) {
    backup.rollouts.emplace_back(record.key(), record.value());
  }
  for (const v1::BackupObject& object : stored.objects()) {
    ASSIGN_OR_RETURN(ResourcePtr parsed,
                     ParseObject(object.group(), object.kind(), object.object()));
    backup.resources.Put(std::move(parsed));
  }
  return backup;
}

}  // namespace apk

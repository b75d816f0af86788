// backup and restore: the control plane's objects as one file.
#include <unistd.h>

#include <iostream>

#include "common/private_file.h"
#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/backup/backup_file.h"

namespace apk {
namespace {

constexpr size_t kPieceBytes = 256 << 10;

// Errors that are not the server's.
int PrintLocal(const absl::Status& status) { return PrintError(std::string(status.message())); }

}  // namespace

int RunBackup(const GlobalFlags& global, const std::string& path) {
  if (path.empty()) return PrintError("-o is missing: the file to write");
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<std::string> file = session->client->Backup();
  if (!file.ok()) return PrintError(file.status());
  const absl::StatusOr<Backup> backup = ReadBackup(*file);
  if (!backup.ok()) return PrintLocal(backup.status());
  if (path == "-") {
    if (isatty(STDOUT_FILENO) != 0) {
      return PrintError("standard output is a terminal: write the backup to a file or a pipe");
    }
    std::cout << *file;
    std::cerr << "revision " << backup->revision << " with " << backup->resources.resources().size()
              << " objects, Secrets included\n";
    return 0;
  }
  const absl::Status written = WriteFile(path, *file, 0600);
  if (!written.ok()) return PrintLocal(written);
  std::cout << "revision " << backup->revision << " with " << backup->resources.resources().size()
            << " objects written to " << path << ", Secrets included\n";
  return 0;
}

int RunRestore(const GlobalFlags& global, const RestoreFlags& flags) {
  if (flags.file.empty()) return PrintError("-f is missing: a file that apkctl backup wrote");
  const absl::StatusOr<std::string> file = ReadFile(flags.file);
  if (!file.ok()) return PrintLocal(file.status());
  const absl::StatusOr<Backup> backup = ReadBackup(*file);
  if (!backup.ok())
    return PrintError(Concat(flags.file, ": ", std::string(backup.status().message())));
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  std::vector<v1::RestoreRequest> parts(1);
  parts[0].mutable_options()->set_force(flags.force);
  parts[0].mutable_options()->set_dry_run(flags.dry_run != "none");
  for (size_t sent = 0; sent < file->size(); sent += kPieceBytes) {
    parts.emplace_back().set_data(file->substr(sent, kPieceBytes));
  }
  const absl::StatusOr<v1::RestoreResponse> response = session->client->Restore(parts);
  if (!response.ok()) return PrintError(response.status());
  const bool dry_run = flags.dry_run != "none";
  for (const v1::ObjectResult& result : response->results()) {
    std::cout << ResourceName(result.key()) << " " << VerbOf(result.action())
              << (dry_run ? " (server dry run)" : "") << "\n";
  }
  if (response->results().empty()) {
    std::cout << "nothing differs from the backup\n";
  } else if (!dry_run) {
    std::cout << "revision " << backup->revision << " of " << backup->created
              << " restored as revision " << response->revision() << "\n";
  }
  return 0;
}

}  // namespace apk

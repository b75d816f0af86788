// File: a sealed Snapshot message.
#include "data-plane/agent/last_good_snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "common/log.h"
#include "common/sealed.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::string_view kMagic = "apksnap1";
constexpr char kCurrent[] = "/snapshot";
constexpr char kPrevious[] = "/snapshot.previous";
constexpr char kTemporary[] = "/snapshot.new";

absl::Status SystemError(std::string_view what, const std::string& path) {
  return absl::UnavailableError(Concat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status WriteDurably(const std::string& path, std::string_view bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return SystemError("can't write", path);
  absl::Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) status = SystemError("can't write", path);
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  if (status.ok() && fsync(file) != 0) status = SystemError("can't sync", path);
  close(file);
  return status;
}

void SyncDirectory(const std::string& directory) {
  const int handle = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;
  fsync(handle);
  close(handle);
}

absl::StatusOr<v1::Snapshot> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(Concat("no snapshot at ", path));
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::optional<std::string_view> body = Unseal(kMagic, bytes);
  v1::Snapshot snapshot;
  const bool whole =
      body.has_value() && snapshot.ParseFromArray(body->data(), static_cast<int>(body->size()));
  if (!whole) return absl::DataLossError(Concat("the snapshot at ", path, " is damaged"));
  return snapshot;
}

}  // namespace

LastGoodSnapshot::LastGoodSnapshot(std::string directory) : directory_(std::move(directory)) {
  for (size_t slash = directory_.find('/', 1); slash != std::string::npos;
       slash = directory_.find('/', slash + 1)) {
    mkdir(directory_.substr(0, slash).c_str(), 0755);
  }
  mkdir(directory_.c_str(), 0700);
}

absl::Status LastGoodSnapshot::Save(const v1::Snapshot& snapshot) {
  const std::string body = snapshot.SerializeAsString();
  RETURN_IF_ERROR(WriteDurably(directory_ + kTemporary, Seal(kMagic, body)));
  const std::string current = directory_ + kCurrent;
  const std::string previous = directory_ + kPrevious;
  // A link keeps the old one reachable at every moment; the rename then replaces the new name at
  // once.
  if (!newest_is_damaged_) {
    unlink(previous.c_str());
    if (link(current.c_str(), previous.c_str()) != 0 && errno != ENOENT) {
      return SystemError("can't keep", previous);
    }
  }
  if (rename((directory_ + kTemporary).c_str(), current.c_str()) != 0) {
    return SystemError("can't rename to", current);
  }
  newest_is_damaged_ = false;
  SyncDirectory(directory_);
  return absl::OkStatus();
}

absl::StatusOr<v1::Snapshot> LastGoodSnapshot::Load() {
  absl::StatusOr<v1::Snapshot> current = ReadFile(directory_ + kCurrent);
  newest_is_damaged_ = absl::IsDataLoss(current.status());
  if (current.ok()) return current;
  absl::StatusOr<v1::Snapshot> previous = ReadFile(directory_ + kPrevious);
  if (!absl::IsNotFound(current.status())) {
    LogWarning("snapshot file refused", {{"reason", std::string(current.status().message())},
                                         {"previous", previous.ok() ? "used" : "none"}});
  }
  if (previous.ok()) return previous;
  return current.status();
}

}  // namespace apk

// Asking the file system at each request costs a microsecond, and needs nobody to tell.
#include "control-plane/access/roles_file.h"

#include "common/log.h"
#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RolesFile>> RolesFile::Open(const std::string& path) {
  auto file = std::unique_ptr<RolesFile>(new RolesFile(path));
  stat(path.c_str(), &file->seen_);
  RETURN_IF_ERROR(file->Load());
  return file;
}

// REQUIRES: mutex_ is held, or nobody else knows this.
absl::Status RolesFile::Load() {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path_));
  ASSIGN_OR_RETURN(Roles roles, Roles::Parse(text, path_));
  roles_ = std::make_shared<const Roles>(std::move(roles));
  return absl::OkStatus();
}

std::shared_ptr<const Roles> RolesFile::Current() {
  const std::lock_guard lock(mutex_);
  struct stat found {};
  stat(path_.c_str(), &found);  // Of a file that is gone all is 0.
  if (IsSame(found, seen_)) return roles_;
  seen_ = found;
  const absl::Status loaded = Load();
  if (loaded.ok()) {
    LogInfo("roles read", {{"file", path_}});
  } else {
    LogError("roles stay as they were", {{"reason", std::string(loaded.message())}});
  }
  return roles_;
}

absl::Status RolesFile::Check(const AccessRequest& request) { return Current()->Check(request); }

}  // namespace apk

// The roles that are in force: those of a file, read anew as soon as it is another one. A file that
// can't be read then leaves the roles as they were. Thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/stat.h>

#include <memory>
#include <mutex>
#include <string>

#include "control-plane/access/roles.h"

namespace apk {

class RolesFile {
 public:
  // Errors are those of reading the file and of Roles::Parse.
  static absl::StatusOr<std::unique_ptr<RolesFile>> Open(const std::string& path);

  // PERMISSION_DENIED where the roles don't allow it.
  absl::Status Check(const AccessRequest& request);

 private:
  explicit RolesFile(std::string path) : path_(std::move(path)) {}
  absl::Status Load();
  std::shared_ptr<const Roles> Current();

  const std::string path_;
  std::mutex mutex_;
  struct stat seen_ {};
  std::shared_ptr<const Roles> roles_;
};

}  // namespace apk

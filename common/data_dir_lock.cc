// flock(2) on a file that stays.
#include "common/data_dir_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {

DataDirLock::~DataDirLock() {
  if (file_ >= 0) close(file_);
}

absl::Status DataDirLock::Take(const std::string& data_dir, std::string_view program) {
  RETURN_IF_ERROR(MakeDirectory(data_dir, 0700));
  RETURN_IF_ERROR(CheckOwnDirectory(data_dir));
  const std::string path = data_dir + "/lock";
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0)
    return absl::UnavailableError(Concat("can't open ", path, ": ", std::strerror(errno)));
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(Concat(data_dir, " is in use by another ", program,
                                                "; stop it or give another --data-dir"));
  }
  return absl::OkStatus();
}

}  // namespace apk

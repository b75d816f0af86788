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

absl::Status DataDirLock::Take(const std::string& data_dir, std::string_view program) {
  RETURN_IF_ERROR(MakeDirectory(data_dir, 0700));
  RETURN_IF_ERROR(CheckOwnDirectory(data_dir));
  const std::string path = data_dir + "/lock";
  file_ = Descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file_)
    return absl::UnavailableError(Concat("can't open ", path, ": ", std::strerror(errno)));
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(Concat(data_dir, " is in use by another ", program,
                                                "; stop it or give another --data-dir"));
  }
  return absl::OkStatus();
}

Descriptor DataDirLock::Share() const { return Descriptor(fcntl(file_.get(), F_DUPFD_CLOEXEC, 0)); }

}  // namespace apk

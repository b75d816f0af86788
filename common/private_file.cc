// POSIX calls, errors with the path.
#include "common/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "common/strings.h"

namespace apk {
namespace {

absl::Status SystemError(std::string_view what, const std::string& path) {
  const std::string message = Concat(what, " ", path, ": ", std::strerror(errno));
  if (errno == ENOENT) return absl::NotFoundError(message);
  if (errno == EACCES || errno == EPERM) return absl::PermissionDeniedError(message);
  return absl::UnavailableError(message);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return SystemError("can't read", path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

absl::StatusOr<std::string> ReadPrivateFile(const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) return SystemError("can't read", path);
  constexpr mode_t kOthers = 0077;
  if ((file.st_mode & kOthers) != 0 && chmod(path.c_str(), 0600) != 0) {
    return SystemError("can't make private", path);
  }
  return ReadFile(path);
}

bool FileExists(const std::string& path) {
  struct stat file;
  return stat(path.c_str(), &file) == 0;
}

absl::Status WriteFile(const std::string& path, const std::string& content, mode_t mode) {
  const std::string temporary = path + ".new";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (file < 0) return SystemError("can't write", temporary);
  // The mode counts for a file that a crash left, too.
  const bool whole =
      fchmod(file, mode) == 0 &&
      write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      fsync(file) == 0;
  const absl::Status failure = whole ? absl::OkStatus() : SystemError("can't write", temporary);
  close(file);
  if (!whole) {
    unlink(temporary.c_str());
    return failure;
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) return SystemError("can't rename to", path);
  return absl::OkStatus();
}

absl::Status MakeDirectory(const std::string& path, mode_t mode) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    mkdir(path.substr(0, slash).c_str(), 0755);
  }
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return SystemError("can't make", path);
  struct stat made;
  if (stat(path.c_str(), &made) != 0) return SystemError("can't use", path);
  if (S_ISDIR(made.st_mode)) return absl::OkStatus();
  return absl::FailedPreconditionError(Concat(path, " is no directory"));
}

absl::Status CheckOwnDirectory(const std::string& path) {
  struct stat directory;
  if (stat(path.c_str(), &directory) != 0) return SystemError("can't use", path);
  if (directory.st_uid != geteuid()) {
    return absl::FailedPreconditionError(
        Concat(path, " belongs to user ", std::to_string(directory.st_uid), ", this is user ",
               std::to_string(geteuid()), ": run as that user, or give the directory away (chown)"));
  }
  if ((directory.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(
        Concat("others can write to ", path, ": chmod 700 ", path, ", or use another directory"));
  }
  return absl::OkStatus();
}

}  // namespace apk

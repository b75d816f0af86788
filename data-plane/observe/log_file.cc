// poll before write: a pipe that is full, even one that blocks, keeps the thread for a moment only.
#include "data-plane/observe/log_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr int kPatienceMs = 100;
constexpr mode_t kMode = 0640;

// No system error: there is a pipe, and nobody who reads it.
constexpr int kNoReader = ENXIO;

}  // namespace

LogFile::~LogFile() { Close(); }

void LogFile::Close() {
  if (own_ && descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
}

absl::Status LogFile::Open() {
  const bool own = path_ != "-";
  int descriptor = STDOUT_FILENO;
  if (own) {
    descriptor = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, kMode);
    if (descriptor < 0 && errno != kNoReader) {
      return absl::UnavailableError(Concat("can't open ", path_, ": ", std::strerror(errno)));
    }
  }
  struct stat status {};
  const bool known = descriptor >= 0 && fstat(descriptor, &status) == 0;
  Close();
  descriptor_ = descriptor;
  own_ = own;
  piped_ = !known || !S_ISREG(status.st_mode);
  cut_ = broken_line_ = false;
  return absl::OkStatus();
}

bool LogFile::WaitUntilWritable() {
  pollfd poll_for{.fd = descriptor_, .events = POLLOUT, .revents = 0};
  return poll(&poll_for, 1, kPatienceMs) != 0;
}

LogFile::Result LogFile::Write(std::string_view& lines) {
  if (descriptor_ < 0) {
    if (!Open().ok() || descriptor_ < 0) {
      error_ = kNoReader;
      return Result::kFailed;
    }
  }
  if (!WaitUntilWritable()) return Result::kWait;
  std::string_view bytes = lines;
  // As much as a pipe takes without blocking; where it is whole lines, nobody's come between.
  if (piped_ && bytes.size() > PIPE_BUF) {
    bytes = bytes.substr(0, PIPE_BUF);
    const size_t last_end = bytes.rfind('\n');
    if (last_end != std::string_view::npos) bytes = bytes.substr(0, last_end + 1);
  }
  if (broken_line_ && write(descriptor_, "\n", 1) == 1) broken_line_ = false;
  const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
  if (written > 0) {
    lines.remove_prefix(static_cast<size_t>(written));
    cut_ = bytes[static_cast<size_t>(written) - 1] != '\n';
    return Result::kDone;
  }
  if (errno == EAGAIN || errno == EINTR) return Result::kWait;
  error_ = errno;
  broken_line_ = broken_line_ || std::exchange(cut_, false);
  if (piped_ && own_) Close();  // Its reader went away: to be opened anew.
  return Result::kFailed;
}

void LogFile::WarnAtMostEvery(std::chrono::seconds pause) {
  const auto now = std::chrono::steady_clock::now();
  if (warned_ != decltype(warned_)() && now - warned_ < pause) return;
  warned_ = now;
  LogWarning("access log lines lost", {{"path", path_}, {"reason", std::strerror(error_)}});
}

}  // namespace apk

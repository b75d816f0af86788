// What others set or do with the same pipe does not count for a description of one's own.
#include "common/standard_error.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace apk {
namespace {

struct Output {
  int file = STDERR_FILENO;
  bool is_socket = false;
};

Output Open() {
  Output output;
  struct stat found {};
  if (fstat(STDERR_FILENO, &found) != 0 || S_ISREG(found.st_mode)) return output;
  output.is_socket = S_ISSOCK(found.st_mode);
  if (output.is_socket) return output;  // It can't be opened, but be told not to wait.
  const int own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (own >= 0) output.file = own;
  return output;
}

ssize_t WriteOnce(const Output& output, std::string_view bytes) {
  if (output.is_socket) {
    return send(output.file, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return write(output.file, bytes.data(), bytes.size());
}

}  // namespace

size_t WriteStandardError(std::string_view bytes, std::chrono::milliseconds patience) {
  static const Output output = Open();
  size_t done = 0;
  while (done < bytes.size()) {
    pollfd ready{.fd = output.file, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(patience.count())) == 0) {
      errno = EAGAIN;
      return done;
    }
    const ssize_t count =
        WriteOnce(output, bytes.substr(done, std::min<size_t>(bytes.size() - done, PIPE_BUF)));
    if (count < 0 && errno != EINTR) return done;
    if (count > 0) done += static_cast<size_t>(count);
  }
  return done;
}

}  // namespace apk

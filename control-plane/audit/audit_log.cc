// The writer never blocks in a system call: it asks before it writes, and writes little at once.
#include "control-plane/audit/audit_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "common/log.h"
#include "common/standard_error.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::chrono::milliseconds kRetry{200};
constexpr char kStandardError[] = "-";

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path) {
  auto log = std::unique_ptr<AuditLog>(new AuditLog(path));
  RETURN_IF_ERROR(log->OpenFile());
  log->writer_ = Thread("audit", 0, [audit = log.get()] { audit->Run(); });
  return log;
}

AuditLog::~AuditLog() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return waiting_.empty(); });
    stopping_ = true;
    changed_.notify_all();
  }
  writer_.Join();
  if (!waiting_.empty() || refusals_lost_ > 0) {
    LogError("audit log not written",
             {{"entries", std::to_string(waiting_.size() + refusals_lost_)}, {"reason", failure_}});
  }
  if (path_ != kStandardError && file_ >= 0) close(file_);
}

absl::Status AuditLog::OpenFile() {
  if (path_ == kStandardError) {
    file_ = STDERR_FILENO;
    return absl::OkStatus();
  }
  const int opened =
      open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (opened < 0) {
    const std::string message = Concat("can't write ", path_, ": ", std::strerror(errno));
    return errno == EACCES ? absl::PermissionDeniedError(message) : absl::UnavailableError(message);
  }
  if (file_ >= 0) close(file_);
  file_ = opened;
  return absl::OkStatus();
}

absl::Status AuditLog::Ready() {
  const std::lock_guard lock(mutex_);
  const bool stuck =
      !waiting_.empty() && std::chrono::steady_clock::now() - first_since_ > kPatience;
  if (failure_.empty() && !stuck && waiting_.size() < kWaitingMax) return absl::OkStatus();
  return absl::UnavailableError(
      Concat("the audit log ", path_, " can't be written (",
             failure_.empty() ? "it is too slow" : failure_,
             "), and nothing is changed that is not noted there: see to it, then try again"));
}

void AuditLog::Note(const AuditEntry& entry) {
  std::string line = ToLine(entry);
  std::unique_lock lock(mutex_);
  Enqueue(std::move(line));
  const uint64_t mine = enqueued_;
  changed_.wait_for(lock, kPatience, [&] { return written_ >= mine || stopping_; });
}

void AuditLog::NoteRefusal(const AuditEntry& entry) {
  std::string line = ToLine(entry);
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kWaitingMax) {
    ++refusals_lost_;
    return;
  }
  Enqueue(std::move(line));
}

// REQUIRES: mutex_ is held.
void AuditLog::Enqueue(std::string line) {
  if (waiting_.empty()) first_since_ = std::chrono::steady_clock::now();
  waiting_.push_back(std::move(line));
  ++enqueued_;
  changed_.notify_all();
}

void AuditLog::Reopen() {
  const std::lock_guard lock(mutex_);
  reopen_ = true;
  changed_.notify_all();
}

bool AuditLog::FileIsGone() const {
  struct stat opened {};
  return path_ != kStandardError && fstat(file_, &opened) == 0 && S_ISREG(opened.st_mode) &&
         opened.st_nlink == 0;
}

size_t AuditLog::WriteSome(std::string_view bytes) {
  if (path_ == kStandardError) return WriteStandardError(bytes, kRetry);
  size_t done = 0;
  while (done < bytes.size()) {
    pollfd ready{.fd = file_, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(kRetry.count())) == 0) {
      errno = EAGAIN;
      return done;
    }
    // A pipe that is ready takes that much without waiting.
    const size_t size = std::min<size_t>(bytes.size() - done, PIPE_BUF);
    const ssize_t count = write(file_, bytes.data() + done, size);
    if (count < 0 && errno != EINTR) return done;
    if (count > 0) done += static_cast<size_t>(count);
  }
  return done;
}

// REQUIRES: `lock` is held; it is given up while it waits.
void AuditLog::AfterFailure(std::unique_lock<std::mutex>& lock) {
  const std::string reason = errno == EAGAIN ? "nobody reads it" : std::strerror(errno);
  if (failure_ != reason) {
    LogError("audit log can't be written; nothing is changed until it can be",
             {{"file", path_}, {"reason", reason}});
  }
  failure_ = reason;
  changed_.wait_for(lock, kRetry, [this] { return stopping_; });
}

void AuditLog::Run() {
  std::unique_lock lock(mutex_);
  size_t done = 0;  // Of the first line.
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || reopen_ || !waiting_.empty(); });
    if (stopping_) return;
    // A line that was begun is ended where it was begun.
    if ((reopen_ || FileIsGone()) && done == 0) {
      const absl::Status opened = OpenFile();
      if (!opened.ok()) LogError("audit log", {{"reason", std::string(opened.message())}});
      reopen_ = false;
    }
    if (waiting_.empty()) continue;
    const std::string& line = waiting_.front();  // Only this thread takes lines away.
    lock.unlock();
    done += WriteSome(std::string_view(line).substr(done));
    lock.lock();
    if (done < waiting_.front().size()) {
      AfterFailure(lock);
      continue;
    }
    done = 0;
    failure_.clear();
    waiting_.pop_front();
    first_since_ = std::chrono::steady_clock::now();
    ++written_;
    if (refusals_lost_ > 0 && waiting_.empty()) {
      AuditEntry lost;
      lost.time = AuditTimeNow();
      lost.verb = "none";
      lost.result = "Lost";
      lost.message = Concat(std::to_string(refusals_lost_),
                            " refused requests were not noted while this could not be written");
      refusals_lost_ = 0;
      Enqueue(ToLine(lost));
    }
    changed_.notify_all();
  }
}

}  // namespace apk

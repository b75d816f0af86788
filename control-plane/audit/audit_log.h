// Where changes are noted: a file of JSON lines, or standard error. The rule: a change is noted
// before it is answered, and while notes can't be written nothing is changed.
//
// A thread writes. Who has changed something waits for its line, but not for long: where the disk
// is full or nobody reads the pipe the line stays in memory, is written as soon as that works, and
// until then Ready refuses further changes. So nothing waits without end and no change is lost but
// by the end of the process, which says so. Of what was refused, which changed nothing, only so
// many lines wait; how many more there were is noted when writing works again. Thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "common/thread.h"
#include "control-plane/audit/audit_entry.h"

namespace apk {

class AuditLog {
 public:
  static constexpr size_t kWaitingMax = 1000;
  static constexpr std::chrono::milliseconds kPatience{2000};

  // Appends to the file, which is made (mode 0600) where there is none; "-" is standard error.
  // UNAVAILABLE or PERMISSION_DENIED where it can't be opened.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& path);
  ~AuditLog();

  // UNAVAILABLE where earlier lines wait to be written: nothing may be changed now.
  absl::Status Ready();
  // Of a change; returns when the line is written, or after kPatience.
  void Note(const AuditEntry& entry);
  // Of what was refused; does not wait.
  void NoteRefusal(const AuditEntry& entry);
  // Opens the file anew: what it was called may be another file by now (logrotate).
  void Reopen();

 private:
  explicit AuditLog(std::string path) : path_(std::move(path)) {}
  absl::Status OpenFile();
  void Enqueue(std::string line);
  void Run();
  // How much of the bytes was written; the error in errno where that is not all.
  size_t WriteSome(std::string_view bytes);
  // Somebody deleted it.
  bool FileIsGone() const;
  void AfterFailure(std::unique_lock<std::mutex>& lock);

  const std::string path_;
  int file_ = -1;  // The writer's, once it runs.

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> waiting_;
  std::chrono::steady_clock::time_point first_since_;  // The first of them is the first.
  uint64_t enqueued_ = 0;
  uint64_t written_ = 0;
  uint64_t refusals_lost_ = 0;
  std::string failure_;  // Why the last attempt to write failed; "" else.
  bool reopen_ = false;
  bool stopping_ = false;
  Thread writer_;
};

}  // namespace apk

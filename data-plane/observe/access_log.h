// The access log: each worker leaves its lines in a buffer of its own, one thread writes them all to a file,
// a pipe or standard output. Whatever becomes of that, no worker waits: what finds no room is dropped, and
// counted.
#pragma once

#include <absl/status/status.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/thread.h"
#include "data-plane/observe/access_format.h"
#include "data-plane/observe/access_log_buffer.h"
#include "data-plane/observe/log_file.h"

namespace apk {

// Of one worker.
class AccessLogDoor {
 public:
  explicit AccessLogDoor(const AccessFormat& format) : format_(format) {}

  // The worker's thread only.
  void Write(const AccessRecord& record) {
    line_.clear();
    format_.Append(record, line_);
    buffer_.Push(line_);
  }
  AccessLogBuffer& buffer() { return buffer_; }
  const AccessLogBuffer& buffer() const { return buffer_; }

 private:
  static constexpr size_t kBufferBytes = 2 * 1024 * 1024;

  const AccessFormat& format_;
  std::string line_;
  AccessLogBuffer buffer_{kBufferBytes};
};

// Lines, by what became of them.
struct AccessLogFigures {
  uint64_t written = 0;  // Or about to be.
  uint64_t dropped = 0;  // No room in the worker's buffer.
  uint64_t lost = 0;     // The file did not take them.
};

class AccessLog {
 public:
  // `path`: of a file, which is appended to, or of a pipe; "-" is standard output.
  AccessLog(std::string path, AccessFormat format, size_t workers);
  // Writes what is left, for a second at most.
  ~AccessLog();

  // An error where the file can't be opened. A pipe that nobody reads is none.
  absl::Status Open() { return file_.Open(); }
  void Start();
  // Goes on in a file of the same path, made anew where it was moved away. Thread-safe; soon.
  void Reopen() { reopen_.store(true); }

  AccessLogDoor& door(size_t worker) { return *doors_[worker]; }
  AccessLogFigures figures() const;  // Thread-safe.

 private:
  void Run();
  bool StopWithin(std::chrono::milliseconds time);
  void WriteAll();
  // Of waiting for the file.
  bool GivesUp();

  const AccessFormat format_;
  LogFile file_;
  std::vector<std::unique_ptr<AccessLogDoor>> doors_;
  std::string pending_;
  Counter written_;
  Counter lost_;
  std::atomic<bool> reopen_{false};
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::optional<std::chrono::steady_clock::time_point> latest_;  // Once it is to stop.
  Thread thread_;
};

}  // namespace apk

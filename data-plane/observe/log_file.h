// Where lines of a log go: a file that others may move away, a pipe that others may not read. One thread.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace apk {

class LogFile {
 public:
  // "-" is standard output.
  explicit LogFile(std::string path) : path_(std::move(path)) {}
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Also again: goes on in what has the path now; after an error in what it had. A pipe without a reader is
  // no error, it is opened when there is one.
  absl::Status Open();

  enum class Result : uint8_t { kDone, kWait, kFailed };
  // Takes what is written off `lines`; kWait: nobody took anything for a moment. After kFailed part of a line
  // may stand there; what comes next begins a line of its own.
  Result Write(std::string_view& lines);

  // Says why the last Write failed, unless that was said not long ago.
  void WarnAtMostEvery(std::chrono::seconds pause);

 private:
  bool WaitUntilWritable();
  void Close();

  const std::string path_;
  int descriptor_ = -1;
  bool own_ = false;    // Not standard output.
  bool piped_ = false;  // May have nobody who reads.
  bool cut_ = false;          // What was written last does not end a line,
  bool broken_line_ = false;  // and what follows is not its rest.
  int error_ = 0;
  std::chrono::steady_clock::time_point warned_{};
};

}  // namespace apk

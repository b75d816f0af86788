// One process per data directory: a lock that dies with it.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace apk {

class DataDirLock {
 public:
  ~DataDirLock();
  // FAILED_PRECONDITION while another process holds it, which the message calls another `program`.
  // The directory, that of --data-dir, exists afterwards.
  absl::Status Take(const std::string& data_dir, std::string_view program);

 private:
  int file_ = -1;
};

}  // namespace apk

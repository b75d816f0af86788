// One control plane per data directory: a lock that dies with the process.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace apk {

class DataDirLock {
 public:
  ~DataDirLock();
  // FAILED_PRECONDITION while another process holds it. The directory exists afterwards.
  absl::Status Take(const std::string& data_dir);

 private:
  int file_ = -1;
};

}  // namespace apk

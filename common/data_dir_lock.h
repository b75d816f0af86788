// One process per data directory: a lock that dies with it.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

#include "common/descriptor.h"

namespace apk {

class DataDirLock {
 public:
  // FAILED_PRECONDITION while another process holds it, which the message calls another `program`.
  // The directory, that of --data-dir, exists afterwards.
  absl::Status Take(const std::string& data_dir, std::string_view program);
  // The same lock, which another process has taken and passed on: it is held until both have let it go.
  void Inherit(Descriptor lock) { file_ = std::move(lock); }
  // For one that it is passed on to; empty where no descriptor is left.
  Descriptor Share() const;
  void LetGo() { file_.Reset(); }

 private:
  Descriptor file_;
};

}  // namespace apk

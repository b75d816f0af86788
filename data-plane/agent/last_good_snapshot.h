// The last snapshot that the agent accepted, on disk, so that it starts and serves without a
// control plane. Written whole, synced, then renamed; read only if its checksum holds. One previous
// file is kept.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "apk/v1/snapshot.pb.h"

namespace apk {

class LastGoodSnapshot {
 public:
  // `directory` is made where it is missing (mode 0700: the snapshot holds private keys).
  explicit LastGoodSnapshot(std::string directory);

  absl::Status Save(const v1::Snapshot& snapshot);
  // The newest one that is whole; NOT_FOUND where there is none, DATA_LOSS where there are only
  // damaged ones.
  absl::StatusOr<v1::Snapshot> Load();

 private:
  std::string directory_;
  bool newest_is_damaged_ = false;  // As Load found it: it must not replace the previous one.
};

}  // namespace apk

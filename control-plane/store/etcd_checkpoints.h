// What keeps a log in etcd short: from time to time everything is written as one checkpoint, and
// what lies before an old one is removed. Done by the leader alone; what it writes and removes is
// bound to its being that.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>

#include "apk/v1/store.pb.h"
#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"
#include "control-plane/store/log.h"

namespace apk {

struct EtcdRetention {
  uint64_t checkpoint_every = 1000;  // Revisions.
  // At least so many stay for history and rollback, then up to a checkpoint; fewer where they take
  // more than so many blobs, of up to 1 MB, beyond those of checkpoints. With the records, of up to
  // 64 KiB, this stays below etcd's quota, which is 2 GB unless it is raised.
  uint64_t revisions_kept = 10'000;
  size_t blobs_kept = 512;
  // etcd keeps what keys were before for so long.
  std::chrono::milliseconds etcd_history = std::chrono::minutes(5);
};

class EtcdCheckpoints {
 public:
  // The client outlives it.
  EtcdCheckpoints(Etcd& client, EtcdKeys keys, EtcdRetention retention)
      : client_(client), keys_(std::move(keys)), retention_(retention) {}

  // The newest one that is not newer than `revision`; nothing, at revision 0, where there is none.
  absl::StatusOr<StoredState> Newest(uint64_t revision);

  // Writes a checkpoint of `state`, trims and compacts, each where it is due. `fence`: the create
  // revision of the leader's key; ABORTED where it is another by now. What leads to revision `needed`
  // is not trimmed.
  absl::Status Maintain(const StoredState& state, int64_t fence, uint64_t needed);

 private:
  EtcdCompare Fence(int64_t fence) const {
    return {.what = EtcdCompare::What::kCreateRevision, .key = keys_.Leader(), .revision = fence};
  }
  absl::Status FindNewest();
  absl::StatusOr<bool> IsCrowded(uint64_t revision);
  absl::Status Write(const StoredState& state, int64_t fence);
  absl::Status Trim(uint64_t before, int64_t fence);
  absl::Status RemoveUnusedBlobs(int64_t fence);
  absl::StatusOr<std::set<std::string>> UsedBlobs(EtcdOutcome& seen);
  absl::Status CompactWhereDue();

  Etcd& client_;
  const EtcdKeys keys_;
  const EtcdRetention retention_;
  // By one thread, as all of Maintain.
  struct Checkpoint {
    uint64_t revision = 0;
    size_t blobs = 0;
  };
  std::optional<Checkpoint> newest_;
  uint64_t counted_at_ = 0;  // Revision.
  struct Seen {
    std::chrono::steady_clock::time_point at;
    int64_t revision = 0;  // Of etcd.
  };
  std::optional<Seen> seen_;
};

// Operations of the log and of checkpoints, as they are stored.
v1::StoredOperation ToStored(const Operation& operation);
absl::StatusOr<Operation> FromStored(const v1::StoredOperation& stored);

}  // namespace apk

// The one durable thing: a log of change-sets. Every apply, however many objects, is one change-set
// and one revision; the present state is the sum of the log. Thread-safe where an engine says so;
// callers hold one lock over all of it.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/resources/resource_set.h"

namespace apk {

struct Operation {
  ResourceKey key;
  ResourcePtr object;  // nullptr: deleted.
  bool status_only = false;
};

struct ChangeSet {
  std::string id;  // Unique; made by who appends.
  std::string author;
  int64_t unix_ms = 0;
  bool status_only = false;
  std::vector<Operation> operations;
};

// A change-set with the revision that it became.
struct CommittedChangeSet {
  uint64_t revision = 0;
  ChangeSet change_set;
};

struct StoredState {
  uint64_t revision = 0;  // 0: empty.
  ResourceSet resources;
};

// A change-set as it is remembered, without the objects.
struct ChangeRecord {
  struct Change {
    ResourceKey key;
    bool deleted = false;
    bool status_only = false;
  };
  uint64_t revision = 0;
  std::string author;
  int64_t unix_ms = 0;
  bool status_only = false;
  std::vector<Change> changes;
};

class Log {
 public:
  virtual ~Log() = default;

  // Everything, at the newest revision.
  virtual absl::StatusOr<StoredState> Load() = 0;
  // Durable when it returns OK: the change-set is then revision `expected_head` + 1. ABORTED when
  // the head is another; nothing has changed then. UNAVAILABLE where the store did not answer: it
  // is seen later whether the change-set came to stand in the log.
  virtual absl::Status Append(uint64_t expected_head, const ChangeSet& change_set) = 0;
  // The change-sets after `revision`, in order and without a gap: what others appended. An engine
  // with one writer has none. OUT_OF_RANGE where the log does not reach that far back any more:
  // Load tells the present state.
  virtual absl::StatusOr<std::vector<CommittedChangeSet>> After(uint64_t revision) {
    (void)revision;
    return std::vector<CommittedChangeSet>();
  }
  // The newest revision, for engines that others append to as well; 0 where nobody else does.
  // Thread-safe, and not under the callers' lock.
  virtual absl::StatusOr<uint64_t> NewestRevision() { return 0; }
  // The newest change-sets, newest first, at most `limit`; those of statuses only where `statuses`.
  virtual absl::StatusOr<std::vector<ChangeRecord>> History(size_t limit, bool statuses) = 0;
  // All objects as they were at `revision`, which is not newer than the head. NOT_FOUND where the
  // engine has forgotten it.
  virtual absl::StatusOr<ResourceSet> StateAt(uint64_t revision) = 0;
};

}  // namespace apk

// What is kept beside the log: small values under keys, which are no configuration and have no
// history (who may join, who has joined, who is shut out). A write compares versions, so that of
// several control planes one wins. Engines are thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace apk {

struct Record {
  std::string key;
  std::string value;
  // Grows with every write of the store. Of one that is gone: when it was seen to be.
  int64_t version = 0;
  bool gone = false;
};

struct AllRecords {
  std::vector<Record> records;
  int64_t version = 0;  // Of the store when they were read.
};

struct RecordWrite {
  std::string key;
  std::string value;
  bool remove = false;
  int64_t expected_version = 0;  // That the record has; 0: there must be none.
  // Only who leads may write it, where several control planes share the store.
  bool leader_only = false;
};

class Records {
 public:
  virtual ~Records() = default;

  virtual absl::StatusOr<AllRecords> ReadAll() = 0;
  // One for each key, in order.
  virtual absl::StatusOr<std::vector<Record>> Read(const std::vector<std::string>& keys) = 0;
  // All of them or none, durable when it returns OK; at most 100. ABORTED where a version is
  // another, or another control plane leads. UNAVAILABLE where the store did not answer: it may have been written or not.
  virtual absl::Status Write(const std::vector<RecordWrite>& writes) = 0;
};

}  // namespace apk

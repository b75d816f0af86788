// The embedded engine: SQLite in WAL mode, one connection, one writer. The present state stands in
// a table of its own, written in the same transaction as the log, so that a start does not replay
// history. Records stand in the same file, so that a copy of it has them. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control-plane/store/log.h"
#include "control-plane/store/records.h"

struct sqlite3;

namespace apk {

class SqliteLog final : public Log, public Records {
 public:
  enum class Expect { kAnything, kExisting };
  // Opens or makes the file (mode 0600). FAILED_PRECONDITION when another process has it or it was
  // written by a newer program, DATA_LOSS when it is damaged, or missing where it is expected.
  static absl::StatusOr<std::unique_ptr<SqliteLog>> Open(const std::string& path,
                                                         Expect expect = Expect::kAnything);
  ~SqliteLog() override;

  absl::StatusOr<StoredState> Load() override;
  absl::StatusOr<uint64_t> Head();  // The newest revision, 0: none.
  absl::Status Append(uint64_t expected_head, const ChangeSet& change_set) override;
  absl::StatusOr<std::vector<ChangeRecord>> History(size_t limit, bool statuses) override;
  absl::StatusOr<ResourceSet> StateAt(uint64_t revision) override;

  absl::StatusOr<AllRecords> ReadAll() override;
  absl::StatusOr<std::vector<Record>> Read(const std::vector<std::string>& keys) override;
  absl::Status Write(const std::vector<RecordWrite>& writes) override;

 private:
  explicit SqliteLog(sqlite3* database) : database_(database) {}
  absl::Status Prepare();
  absl::StatusOr<uint64_t> ReadHead();
  absl::Status Write(uint64_t revision, const ChangeSet& change_set);
  absl::StatusOr<Record> ReadRecord(const std::string& key);
  absl::StatusOr<int64_t> NewestVersion();
  absl::Status WriteRecord(const RecordWrite& write);

  std::mutex mutex_;  // Over the one connection.
  sqlite3* database_;
};

}  // namespace apk

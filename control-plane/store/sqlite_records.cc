// The records of the embedded engine: a row each. The row's number is its version, and a number is
// never used again.
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/store/sqlite_log.h"
#include "control-plane/store/sqlite_statement.h"

namespace apk {

// REQUIRES: mutex_ is held.
absl::StatusOr<int64_t> SqliteLog::NewestVersion() {
  Statement newest(database_,
                   "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'record'");
  if (!newest.Next()) return newest.Status();
  return newest.NumberAt(0);
}

absl::StatusOr<AllRecords> SqliteLog::ReadAll() {
  const std::lock_guard lock(mutex_);
  AllRecords all;
  ASSIGN_OR_RETURN(all.version, NewestVersion());
  Statement rows(database_, "SELECT version, key, value FROM record ORDER BY key");
  while (rows.Next()) {
    all.records.push_back(
        {.key = rows.TextAt(1), .value = rows.TextAt(2), .version = rows.NumberAt(0)});
  }
  RETURN_IF_ERROR(rows.Status());
  return all;
}

// REQUIRES: mutex_ is held.
absl::StatusOr<Record> SqliteLog::ReadRecord(const std::string& key) {
  Statement row(database_, "SELECT version, value FROM record WHERE key = ?");
  row.Text(1, key);
  Record record{.key = key, .value = "", .version = 0, .gone = !row.Next()};
  RETURN_IF_ERROR(row.Status());
  if (record.gone) {
    ASSIGN_OR_RETURN(record.version, NewestVersion());
  } else {
    record.version = row.NumberAt(0);
    record.value = row.TextAt(1);
  }
  return record;
}

absl::StatusOr<std::vector<Record>> SqliteLog::Read(const std::vector<std::string>& keys) {
  const std::lock_guard lock(mutex_);
  std::vector<Record> records;
  for (const std::string& key : keys) {
    ASSIGN_OR_RETURN(Record record, ReadRecord(key));
    records.push_back(std::move(record));
  }
  return records;
}

// REQUIRES: mutex_ is held.
absl::Status SqliteLog::WriteRecord(const RecordWrite& write) {
  ASSIGN_OR_RETURN(const Record present, ReadRecord(write.key));
  if ((present.gone ? 0 : present.version) != write.expected_version) {
    return absl::AbortedError(Concat("the record ", write.key, " was changed meanwhile"));
  }
  if (write.remove) {
    return Statement(database_, "DELETE FROM record WHERE key = ?").Text(1, write.key).Run();
  }
  return Statement(database_, "INSERT OR REPLACE INTO record (key, value) VALUES (?, ?)")
      .Text(1, write.key)
      .Blob(2, write.value)
      .Run();
}

absl::Status SqliteLog::Write(const std::vector<RecordWrite>& writes) {
  const std::lock_guard lock(mutex_);
  return InTransaction(database_, [&]() -> absl::Status {
    for (const RecordWrite& write : writes) RETURN_IF_ERROR(WriteRecord(write));
    return absl::OkStatus();
  });
}

}  // namespace apk

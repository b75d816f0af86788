// Objects are stored as the deterministic bytes of their message, with the kind in the key.
#include "control-plane/store/sqlite_log.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/resources/object_bytes.h"
#include "control-plane/store/sqlite_statement.h"

namespace apk {
namespace {

constexpr int kSchemaVersion = 3;

constexpr char kSchema[] = R"(
CREATE TABLE IF NOT EXISTS change_set (
  revision INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, author TEXT NOT NULL,
  unix_ms INTEGER NOT NULL, status_only INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS operation (
  revision INTEGER NOT NULL, sequence INTEGER NOT NULL, api_group TEXT NOT NULL, kind TEXT NOT NULL,
  namespace TEXT NOT NULL, name TEXT NOT NULL, object BLOB, status_only INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (revision, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
  api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  object BLOB NOT NULL, PRIMARY KEY (api_group, kind, namespace, name)) WITHOUT ROWID;
)";

// What older programs do not know and need not know: no version of its own.
constexpr char kRecordSchema[] = R"(
CREATE TABLE IF NOT EXISTS record (
  version INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, value BLOB NOT NULL);
)";

// What files of versions 1 and 2 lack.
constexpr char kFromVersion2[] =
    "ALTER TABLE operation ADD COLUMN status_only INTEGER NOT NULL DEFAULT 0";

// Rows of group, kind, bytes.
absl::StatusOr<ResourceSet> ReadObjects(Statement& rows) {
  ResourceSet resources;
  while (rows.Next()) {
    ASSIGN_OR_RETURN(ResourcePtr object,
                     ParseObject(rows.TextAt(0), rows.TextAt(1), rows.TextAt(2)));
    resources.Put(std::move(object));
  }
  RETURN_IF_ERROR(rows.Status());
  return resources;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteLog>> SqliteLog::Open(const std::string& path, Expect expect) {
  if (struct stat found;
      expect == Expect::kExisting && (stat(path.c_str(), &found) != 0 || found.st_size == 0)) {
    return absl::DataLossError(
        Concat(path,
               " is missing or empty beside the certificates that were made with it: restore a "
               "back-up of it; or, to begin with an empty store, remove the pki directory, too"));
  }
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  sqlite3* database = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  auto log = std::unique_ptr<SqliteLog>(new SqliteLog(database));
  if (code != SQLITE_OK) return SqliteError(database, code, path);
  if (const absl::Status prepared = log->Prepare(); !prepared.ok()) {
    return absl::Status(prepared.code(), Concat(path, ": ", std::string(prepared.message())));
  }
  return log;
}

SqliteLog::~SqliteLog() { sqlite3_close(database_); }

absl::Status SqliteLog::Prepare() {
  RETURN_IF_ERROR(Execute(database_,
                          "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"));
  Statement check(database_, "PRAGMA quick_check");
  if (!check.Next() || check.TextAt(0) != "ok") {
    RETURN_IF_ERROR(check.Status());
    return absl::DataLossError(
        "the file is damaged; restore a back-up of it, without its -wal file");
  }
  Statement version(database_, "PRAGMA user_version");
  const int64_t found = version.Next() ? version.NumberAt(0) : -1;
  RETURN_IF_ERROR(version.Status());
  if (found > kSchemaVersion) {
    return absl::FailedPreconditionError("written by a newer version of this program");
  }
  // Not written again and again: a full disk must not keep the program from starting.
  if (found == kSchemaVersion) return Execute(database_, kRecordSchema);
  RETURN_IF_ERROR(Execute(database_, "BEGIN IMMEDIATE"));
  RETURN_IF_ERROR(Execute(database_, kSchema));
  RETURN_IF_ERROR(Execute(database_, kRecordSchema));
  if (found == 1 || found == 2) RETURN_IF_ERROR(Execute(database_, kFromVersion2));
  RETURN_IF_ERROR(
      Execute(database_, Concat("PRAGMA user_version=", std::to_string(kSchemaVersion)).c_str()));
  return Execute(database_, "COMMIT");
}

absl::StatusOr<uint64_t> SqliteLog::Head() {
  const std::lock_guard lock(mutex_);
  return ReadHead();
}

// REQUIRES: mutex_ is held.
absl::StatusOr<uint64_t> SqliteLog::ReadHead() {
  Statement head(database_, "SELECT coalesce(max(revision), 0) FROM change_set");
  if (!head.Next()) return head.Status();
  return static_cast<uint64_t>(head.NumberAt(0));
}

absl::StatusOr<StoredState> SqliteLog::Load() {
  const std::lock_guard lock(mutex_);
  StoredState state;
  ASSIGN_OR_RETURN(state.revision, ReadHead());
  Statement rows(database_, "SELECT api_group, kind, object FROM state");
  ASSIGN_OR_RETURN(state.resources, ReadObjects(rows));
  return state;
}

absl::StatusOr<ResourceSet> SqliteLog::StateAt(uint64_t revision) {
  const std::lock_guard lock(mutex_);
  Statement rows(database_,
                 "SELECT o.api_group, o.kind, o.object FROM operation o JOIN"
                 " (SELECT api_group, kind, namespace, name, max(revision) AS newest"
                 "  FROM operation WHERE revision <= ? GROUP BY api_group, kind, namespace, name) n"
                 " ON o.revision = n.newest AND o.api_group = n.api_group AND o.kind = n.kind"
                 " AND o.namespace = n.namespace AND o.name = n.name"
                 " WHERE o.object IS NOT NULL");
  rows.Number(1, static_cast<int64_t>(revision));
  return ReadObjects(rows);
}

absl::StatusOr<std::vector<ChangeRecord>> SqliteLog::History(size_t limit, bool statuses) {
  const std::lock_guard lock(mutex_);
  Statement rows(
      database_,
      "SELECT c.revision, c.author, c.unix_ms, c.status_only, o.api_group, o.kind,"
      " o.namespace, o.name, o.object IS NULL, o.status_only FROM"
      " (SELECT * FROM change_set WHERE status_only <= ? ORDER BY revision DESC LIMIT ?) c"
      " JOIN operation o ON o.revision = c.revision"
      " ORDER BY c.revision DESC, o.sequence");
  rows.Number(1, statuses ? 1 : 0).Number(2, static_cast<int64_t>(limit));
  std::vector<ChangeRecord> history;
  while (rows.Next()) {
    const auto revision = static_cast<uint64_t>(rows.NumberAt(0));
    if (history.empty() || history.back().revision != revision) {
      history.push_back({.revision = revision,
                         .author = rows.TextAt(1),
                         .unix_ms = rows.NumberAt(2),
                         .status_only = rows.NumberAt(3) != 0,
                         .changes = {}});
    }
    history.back().changes.push_back({.key = {.group = rows.TextAt(4),
                                              .kind = rows.TextAt(5),
                                              .namespace_name = rows.TextAt(6),
                                              .name = rows.TextAt(7)},
                                      .deleted = rows.NumberAt(8) != 0,
                                      .status_only = rows.NumberAt(9) != 0});
  }
  RETURN_IF_ERROR(rows.Status());
  return history;
}

absl::Status SqliteLog::Append(uint64_t expected_head, const ChangeSet& change_set) {
  const std::lock_guard lock(mutex_);
  return InTransaction(database_, [&] {
    ASSIGN_OR_RETURN(const uint64_t head, ReadHead());
    if (head != expected_head) {
      return absl::AbortedError(Concat("the store is at revision ", std::to_string(head), ", not ",
                                       std::to_string(expected_head)));
    }
    return Write(head + 1, change_set);
  });
}

// REQUIRES: mutex_ is held.
absl::Status SqliteLog::Write(uint64_t revision, const ChangeSet& change_set) {
  const auto number = static_cast<int64_t>(revision);
  Statement header(database_, "INSERT INTO change_set VALUES (?, ?, ?, ?, ?)");
  RETURN_IF_ERROR(header.Number(1, number)
                      .Text(2, change_set.id)
                      .Text(3, change_set.author)
                      .Number(4, change_set.unix_ms)
                      .Number(5, change_set.status_only ? 1 : 0)
                      .Run());
  Statement operation(database_, "INSERT INTO operation VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  Statement put(database_, "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)");
  Statement remove(database_,
                   "DELETE FROM state WHERE api_group=? AND kind=? AND namespace=? AND name=?");
  int64_t sequence = 0;
  for (const Operation& change : change_set.operations) {
    const ResourceKey& key = change.key;
    operation.Number(1, number).Number(2, sequence++).Text(3, key.group).Text(4, key.kind);
    operation.Text(5, key.namespace_name).Text(6, key.name).Number(8, change.status_only ? 1 : 0);
    Statement& state = change.object == nullptr ? remove : put;
    state.Text(1, key.group).Text(2, key.kind).Text(3, key.namespace_name).Text(4, key.name);
    if (change.object != nullptr) {
      const std::string bytes = DeterministicBytes(*change.object);
      operation.Blob(7, bytes);
      state.Blob(5, bytes);
    }
    RETURN_IF_ERROR(operation.Run());
    RETURN_IF_ERROR(state.Run());
  }
  return absl::OkStatus();
}

}  // namespace apk

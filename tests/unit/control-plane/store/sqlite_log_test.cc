// What the file promises beyond what every engine does: one process has it, damage is said, old
// files are taken over.
#include "control-plane/store/sqlite_log.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/control-plane/store/change_sets.h"

namespace apk {
namespace {

class SqliteLogTest : public testing::Test {
 protected:
  SqliteLogTest() {
    char pattern[] = "/tmp/apk-store-XXXXXX";
    directory_ = mkdtemp(pattern);
  }
  ~SqliteLogTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/store.db"; }
  std::unique_ptr<SqliteLog> Open() {
    absl::StatusOr<std::unique_ptr<SqliteLog>> log = SqliteLog::Open(path());
    EXPECT_TRUE(log.ok());
    return *std::move(log);
  }

  std::string directory_;
};

TEST_F(SqliteLogTest, ASecondProcessIsKeptOut) {
  const auto log = Open();
  EXPECT_FALSE(SqliteLog::Open(path()).ok());
}

TEST_F(SqliteLogTest, ADamagedFileIsSaidToBe) {
  { ASSERT_TRUE(Open()->Append(0, Make("1", {Put("a", std::string(100'000, 'x'))})).ok()); }
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0);
    file << std::string(200, 'z');
  }
  const absl::Status status = SqliteLog::Open(path()).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << std::string(status.message());
}

TEST_F(SqliteLogTest, AFileOfTheVersionBeforeIsTakenOver) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
  constexpr char kVersion2[] =
      "CREATE TABLE change_set (revision INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
      " author TEXT NOT NULL, unix_ms INTEGER NOT NULL, status_only INTEGER NOT NULL);"
      "CREATE TABLE operation (revision INTEGER NOT NULL, sequence INTEGER NOT NULL,"
      " api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,"
      " object BLOB, PRIMARY KEY (revision, sequence)) WITHOUT ROWID;"
      "CREATE TABLE state (api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL,"
      " name TEXT NOT NULL, object BLOB NOT NULL,"
      " PRIMARY KEY (api_group, kind, namespace, name)) WITHOUT ROWID;"
      "INSERT INTO change_set VALUES (1, 'x', 'somebody', 5, 0);"
      "INSERT INTO operation VALUES (1, 0, '', 'ConfigMap', 'n', 'a', x'');"
      "PRAGMA user_version=2;";
  ASSERT_EQ(sqlite3_exec(database, kVersion2, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const auto log = Open();
  ASSERT_TRUE(log->Append(1, Make("2", {Put("b", "1")})).ok());
  EXPECT_EQ(log->History(10, false)->size(), 2u);
}

}  // namespace
}  // namespace apk

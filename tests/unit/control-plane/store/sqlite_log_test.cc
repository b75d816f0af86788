// What the store promises: durable, compare-and-swap, damage is said.
#include "control-plane/store/sqlite_log.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "apk/v1/core.pb.h"

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

Operation Put(const std::string& name, const std::string& value) {
  auto map = std::make_shared<v1::ConfigMap>();
  map->mutable_metadata()->set_namespace_("n");
  map->mutable_metadata()->set_name(name);
  (*map->mutable_data())["k"] = value;
  return {.key = KeyOf(*map), .object = map};
}

ChangeSet Make(const std::string& id, std::vector<Operation> operations) {
  ChangeSet change_set;
  change_set.id = id;
  change_set.operations = std::move(operations);
  return change_set;
}

TEST_F(SqliteLogTest, KeepsWhatWasAppendedOverReopening) {
  Operation removed = Put("b", "2");
  {
    const auto log = Open();
    ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1"), removed})).ok());
    removed.object = nullptr;
    ASSERT_TRUE(log->Append(1, Make("2", {Put("a", "3"), removed})).ok());
  }
  const absl::StatusOr<StoredState> state = Open()->Load();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->revision, 2u);
  ASSERT_EQ(state->resources.resources().size(), 1u);
  EXPECT_EQ(state->resources.Find<v1::ConfigMap>("n", "a")->data().at("k"), "3");
}

TEST_F(SqliteLogTest, AppendsOnlyToTheHeadThatTheCallerSaw) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  EXPECT_TRUE(absl::IsAborted(log->Append(0, Make("2", {Put("a", "2")}))));
  EXPECT_TRUE(absl::IsAborted(log->Append(7, Make("3", {Put("a", "2")}))));
  EXPECT_EQ(log->Load()->resources.Find<v1::ConfigMap>("n", "a")->data().at("k"), "1");
}

TEST_F(SqliteLogTest, AChangeSetWithTheSameIdIsRefusedWhole) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  EXPECT_FALSE(log->Append(1, Make("1", {Put("b", "2")})).ok());
  const absl::StatusOr<StoredState> state = log->Load();
  EXPECT_EQ(state->revision, 1u);
  EXPECT_EQ(state->resources.resources().size(), 1u);
}

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

TEST_F(SqliteLogTest, RemembersWhatEachRevisionChanged) {
  const auto log = Open();
  ChangeSet first = Make("1", {Put("a", "1"), Put("b", "1")});
  first.author = "somebody";
  first.unix_ms = 1'700'000'000'000;
  first.operations[1].status_only = true;
  ChangeSet second = Make("2", {Put("b", "2")});
  second.status_only = true;
  Operation removed = Put("a", "");
  removed.object = nullptr;
  ASSERT_TRUE(log->Append(0, first).ok());
  ASSERT_TRUE(log->Append(1, second).ok());
  ASSERT_TRUE(log->Append(2, Make("3", {removed})).ok());
  const auto history = log->History(10, false);
  ASSERT_TRUE(history.ok());
  ASSERT_EQ(history->size(), 2u);
  EXPECT_EQ((*history)[0].revision, 3u);
  EXPECT_TRUE((*history)[0].changes.at(0).deleted);
  EXPECT_EQ((*history)[1].author, "somebody");
  EXPECT_EQ((*history)[1].unix_ms, 1'700'000'000'000);
  ASSERT_EQ((*history)[1].changes.size(), 2u);
  EXPECT_FALSE((*history)[1].changes[0].status_only);
  EXPECT_TRUE((*history)[1].changes[1].status_only);
  EXPECT_EQ(log->History(10, true)->size(), 3u);
  EXPECT_EQ(log->History(1, true)->size(), 1u);
}

TEST_F(SqliteLogTest, KnowsEveryPastState) {
  const auto log = Open();
  Operation removed = Put("a", "");
  removed.object = nullptr;
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  ASSERT_TRUE(log->Append(1, Make("2", {Put("a", "2"), Put("b", "1")})).ok());
  ASSERT_TRUE(log->Append(2, Make("3", {removed})).ok());
  ASSERT_TRUE(log->Append(3, Make("4", {Put("a", "4")})).ok());
  const auto value = [&log](uint64_t revision, const char* name) -> std::string {
    const absl::StatusOr<ResourceSet> state = log->StateAt(revision);
    const auto* const map = state->Find<v1::ConfigMap>("n", name);
    return map == nullptr ? "none" : map->data().at("k");
  };
  EXPECT_EQ(value(1, "a"), "1");
  EXPECT_EQ(value(1, "b"), "none");
  EXPECT_EQ(value(2, "a"), "2");
  EXPECT_EQ(value(3, "a"), "none");
  EXPECT_EQ(value(3, "b"), "1");
  EXPECT_EQ(value(4, "a"), "4");
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

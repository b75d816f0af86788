// What the store promises: durable, compare-and-swap, damage is said.
#include "control-plane/store/sqlite_log.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace apk

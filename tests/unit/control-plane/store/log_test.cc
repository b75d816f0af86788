// What every engine of the log promises: durable, compare-and-swap, all of history.
#include "control-plane/store/log.h"

#include <gtest/gtest.h>

#include "control-plane/store/etcd_log.h"
#include "control-plane/store/sqlite_log.h"
#include "tests/unit/control-plane/store/change_sets.h"
#include "tests/unit/control-plane/store/engines.h"

namespace apk {
namespace {

class LogTest : public EngineTest {
 protected:
  std::unique_ptr<Log> Open() {
    if (GetParam() == Engine::kSqlite) return Opened(SqliteLog::Open(directory_ + "/store.db"));
    return Opened(EtcdLog::Open(*client_, prefix_));
  }

 private:
  template <class Opening>
  static std::unique_ptr<Log> Opened(Opening log) {
    EXPECT_TRUE(log.ok()) << std::string(log.status().message());
    return *std::move(log);
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, LogTest, BothEngines(), NameOfEngine);

TEST_P(LogTest, KeepsWhatWasAppendedOverReopening) {
  {
    const auto log = Open();
    ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1"), Put("b", "2")})).ok());
    ASSERT_TRUE(log->Append(1, Make("2", {Put("a", "3"), Remove("b")})).ok());
  }
  const absl::StatusOr<StoredState> state = Open()->Load();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->revision, 2u);
  ASSERT_EQ(state->resources.resources().size(), 1u);
  EXPECT_EQ(state->resources.Find<v1::ConfigMap>("n", "a")->data().at("k"), "3");
}

TEST_P(LogTest, AppendsOnlyToTheHeadThatTheCallerSaw) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  EXPECT_TRUE(absl::IsAborted(log->Append(0, Make("2", {Put("a", "2")}))));
  EXPECT_TRUE(absl::IsAborted(log->Append(7, Make("3", {Put("a", "2")}))));
  EXPECT_EQ(log->Load()->resources.Find<v1::ConfigMap>("n", "a")->data().at("k"), "1");
}

TEST_P(LogTest, AChangeSetWithTheSameIdIsRefusedWhole) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  EXPECT_FALSE(log->Append(1, Make("1", {Put("b", "2")})).ok());
  const absl::StatusOr<StoredState> state = log->Load();
  EXPECT_EQ(state->revision, 1u);
  EXPECT_EQ(state->resources.resources().size(), 1u);
}

TEST_P(LogTest, RemembersWhatEachRevisionChanged) {
  const auto log = Open();
  ChangeSet first = Make("1", {Put("a", "1"), Put("b", "1")});
  first.author = "somebody";
  first.unix_ms = 1'700'000'000'000;
  first.operations[1].status_only = true;
  ChangeSet second = Make("2", {Put("b", "2")});
  second.status_only = true;
  ASSERT_TRUE(log->Append(0, first).ok());
  ASSERT_TRUE(log->Append(1, second).ok());
  ASSERT_TRUE(log->Append(2, Make("3", {Remove("a")})).ok());
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

TEST_P(LogTest, KnowsEveryPastState) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  ASSERT_TRUE(log->Append(1, Make("2", {Put("a", "2"), Put("b", "1")})).ok());
  ASSERT_TRUE(log->Append(2, Make("3", {Remove("a")})).ok());
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

TEST_P(LogTest, TakesTenThousandObjectsAtOnce) {
  constexpr int kObjects = 10'000;
  std::vector<Operation> operations;
  for (int i = 0; i < kObjects; ++i) {
    operations.push_back(Put("map-" + std::to_string(i), std::string(1000, 'x')));
  }
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", std::move(operations))).ok());
  ASSERT_TRUE(log->Append(1, Make("2", {Put("one-more", "1")})).ok());
  const absl::StatusOr<StoredState> state = log->Load();
  ASSERT_TRUE(state.ok()) << std::string(state.status().message());
  EXPECT_EQ(state->revision, 2u);
  EXPECT_EQ(state->resources.resources().size(), kObjects + 1u);
  EXPECT_EQ(log->History(10, false)->back().changes.size(), static_cast<size_t>(kObjects));
}

}  // namespace
}  // namespace apk

// What both engines promise of records: all or none, and only over what the writer has seen.
#include "control-plane/store/records.h"

#include <gtest/gtest.h>

#include "control-plane/store/etcd_records.h"
#include "control-plane/store/sqlite_log.h"
#include "tests/unit/control-plane/store/engines.h"

namespace apk {
namespace {

class RecordsTest : public EngineTest {
 protected:
  std::unique_ptr<Records> Open() {
    if (GetParam() == Engine::kEtcd) return std::make_unique<EtcdRecords>(*client_, prefix_);
    absl::StatusOr<std::unique_ptr<SqliteLog>> log = SqliteLog::Open(directory_ + "/store.db");
    EXPECT_TRUE(log.ok()) << std::string(log.status().message());
    return *std::move(log);
  }

  static Record ReadOne(Records& records, const std::string& key) {
    const absl::StatusOr<std::vector<Record>> read = records.Read({key});
    EXPECT_TRUE(read.ok());
    return read->at(0);
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, RecordsTest, BothEngines(), NameOfEngine);

const std::string kBytes("a\0\xff", 3);

TEST_P(RecordsTest, AreThereAfterReopening) {
  ASSERT_TRUE(Open()->Write({{.key = "x/1", .value = kBytes}, {.key = "x/2", .value = "b"}}).ok());
  const absl::StatusOr<AllRecords> all = Open()->ReadAll();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->records.size(), 2u);
  EXPECT_EQ(all->records[0].key, "x/1");
  EXPECT_EQ(all->records[0].value, kBytes);
  EXPECT_EQ(all->records[1].key, "x/2");
  EXPECT_GE(all->version, all->records[1].version);
}

TEST_P(RecordsTest, AreWrittenOnlyOverTheVersionThatWasSeen) {
  const auto records = Open();
  ASSERT_TRUE(records->Write({{.key = "a", .value = "1"}}).ok());
  const int64_t first = ReadOne(*records, "a").version;
  EXPECT_TRUE(absl::IsAborted(records->Write({{.key = "a", .value = "2"}})));
  ASSERT_TRUE(records->Write({{.key = "a", .value = "2", .expected_version = first}}).ok());
  EXPECT_GT(ReadOne(*records, "a").version, first);
  EXPECT_TRUE(
      absl::IsAborted(records->Write({{.key = "a", .value = "3", .expected_version = first}})));
  EXPECT_EQ(ReadOne(*records, "a").value, "2");
}

TEST_P(RecordsTest, OneThatIsOutdatedKeepsTheOthersFromBeingWritten) {
  const auto records = Open();
  ASSERT_TRUE(records->Write({{.key = "a", .value = "1"}}).ok());
  EXPECT_TRUE(
      absl::IsAborted(records->Write({{.key = "b", .value = "new"}, {.key = "a", .value = "2"}})));
  EXPECT_TRUE(ReadOne(*records, "b").gone);
  EXPECT_EQ(ReadOne(*records, "a").value, "1");
}

TEST_P(RecordsTest, OneThatWasRemovedAndMadeAnewHasANewerVersion) {
  const auto records = Open();
  ASSERT_TRUE(records->Write({{.key = "a", .value = "1"}}).ok());
  const int64_t first = ReadOne(*records, "a").version;
  ASSERT_TRUE(
      records->Write({{.key = "a", .value = "", .remove = true, .expected_version = first}}).ok());
  const Record gone = ReadOne(*records, "a");
  EXPECT_TRUE(gone.gone);
  EXPECT_GE(gone.version, first);
  EXPECT_TRUE(records->ReadAll()->records.empty());
  ASSERT_TRUE(records->Write({{.key = "a", .value = "2"}}).ok());
  EXPECT_GT(ReadOne(*records, "a").version, first);
}

TEST_P(RecordsTest, WhatIsTheLeadersIsWrittenByTheLeaderAlone) {
  if (GetParam() != Engine::kEtcd) GTEST_SKIP() << "nobody else is there";
  const auto put_leader = [this] {
    EtcdTransaction transaction;
    transaction.writes = {{.what = EtcdWrite::What::kPut,
                           .key = EtcdKeys(prefix_).Leader(),
                           .value = "somebody",
                           .range_end = ""}};
    return client_->Commit(transaction)->revision;
  };
  const int64_t term = put_leader();
  int64_t fence = term;
  EtcdRecords records(*client_, prefix_, [&fence] { return fence; });
  ASSERT_TRUE(records.Write({{.key = "a", .value = "1", .leader_only = true}}).ok());
  fence = -1;  // Another one leads.
  EXPECT_TRUE(absl::IsAborted(records.Write({{.key = "b", .value = "1", .leader_only = true}})));
  EXPECT_TRUE(records.Write({{.key = "b", .value = "1"}}).ok());
  fence = 0;  // Nobody is to lead.
  EXPECT_TRUE(records.Write({{.key = "c", .value = "1", .leader_only = true}}).ok());
}

}  // namespace
}  // namespace apk

// What both engines promise of records: all or none, and only over what the writer has seen.
#include "control-plane/store/records.h"

#include <gtest/gtest.h>

#include "control-plane/store/etcd_records.h"
#include "control-plane/store/sqlite_log.h"
#include "tests/proof/simulated_etcd.h"
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

// Loses the first answer to a write, and asks again as the client does.
class ForgetfulEtcd final : public Etcd {
 public:
  // `meanwhile` is called between the two.
  ForgetfulEtcd(proof::SimulatedEtcd& etcd, std::function<void()> meanwhile)
      : etcd_(etcd), meanwhile_(std::move(meanwhile)) {}

  // Whether what is asked first arrives.
  bool first_arrives = true;

  absl::StatusOr<EtcdOutcome> Commit(const EtcdTransaction& transaction) override {
    if (transaction.writes.empty()) return etcd_.Carry(transaction);
    if (first_arrives) etcd_.Carry(transaction);
    meanwhile_();
    return etcd_.Carry(transaction);
  }
  absl::StatusOr<std::vector<EtcdKeyValue>> Read(const EtcdRange& range) override {
    return etcd_.Range(range);
  }
  absl::Status Compact(int64_t) override { return absl::OkStatus(); }
  uint64_t cluster_id() const override { return 1; }

 private:
  proof::SimulatedEtcd& etcd_;
  const std::function<void()> meanwhile_;
};

class LostAnswerTest : public testing::Test {
 protected:
  proof::SimulatedEtcd simulated_;
  std::function<void()> meanwhile_ = [] {};
  ForgetfulEtcd etcd_{simulated_, [this] { meanwhile_(); }};
  ForgetfulEtcd others_etcd_{simulated_, [] {}};
  EtcdRecords records_{etcd_, "/p"};
  EtcdRecords others_{others_etcd_, "/p"};
};

TEST_F(LostAnswerTest, AWriteThatWentThroughIsNoConflict) {
  ASSERT_TRUE(records_.Write({{.key = "a", .value = "1"}, {.key = "b", .value = "1"}}).ok());
  const auto read = records_.Read({"a", "b"});
  EXPECT_EQ(read->at(0).value, "1");
  const int64_t version = read->at(0).version;
  EXPECT_EQ(read->at(1).version, version);
  EXPECT_TRUE(records_
                  .Write({{.key = "a", .value = "2", .expected_version = version},
                          {.key = "b", .value = "", .remove = true, .expected_version = version}})
                  .ok());
  EXPECT_EQ(records_.ReadAll()->records.size(), 1u);
}

TEST_F(LostAnswerTest, NorIsOneThatAnotherHasWrittenOverSince) {
  meanwhile_ = [this] {
    const int64_t version = others_.Read({"a"})->at(0).version;
    ASSERT_TRUE(others_.Write({{.key = "a", .value = "theirs", .expected_version = version}}).ok());
  };
  // The other's token takes the same slot once in 256 times: then it is not known.
  int known = 0;
  for (int i = 0; i < 20; ++i) {
    const Record now = records_.Read({"a"})->at(0);
    if (records_
            .Write({{.key = "a", .value = "ours", .expected_version = now.gone ? 0 : now.version}})
            .ok()) {
      ++known;
    }
  }
  EXPECT_GT(known, 10);
  EXPECT_EQ(records_.Read({"a"})->at(0).value, "theirs");
}

TEST_F(LostAnswerTest, AnothersWriteOfTheSameValueIsNotTakenForOnesOwn) {
  etcd_.first_arrives = false;
  meanwhile_ = [this] { ASSERT_TRUE(others_.Write({{.key = "a", .value = "1"}}).ok()); };
  EXPECT_TRUE(absl::IsAborted(records_.Write({{.key = "a", .value = "1"}})));
}

}  // namespace
}  // namespace apk

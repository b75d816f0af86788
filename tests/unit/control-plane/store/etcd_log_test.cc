// What the log in etcd promises to several writers, and that it does not grow without end.
#include "control-plane/store/etcd_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/unit/control-plane/store/change_sets.h"
#include "tests/unit/control-plane/store/etcd_server.h"

namespace apk {
namespace {

class EtcdLogTest : public testing::Test {
 protected:
  void SetUp() override {
    if (EtcdServer::Shared() == nullptr) GTEST_SKIP() << "etcd is not installed";
    client_ = std::make_unique<EtcdClient>(EtcdServer::Shared()->options());
    prefix_ = EtcdServer::Shared()->NewPrefix();
  }

  std::unique_ptr<EtcdLog> Open(EtcdRetention retention = {}) {
    absl::StatusOr<std::unique_ptr<EtcdLog>> log = EtcdLog::Open(*client_, prefix_, retention);
    EXPECT_TRUE(log.ok()) << std::string(log.status().message());
    return *std::move(log);
  }

  size_t CountUnder(const std::string& folder) {
    return client_->Read(EtcdRange::Under(prefix_ + folder))->size();
  }

  // Becomes the leader; returns the fence.
  int64_t Lead(const std::string& who) {
    EtcdTransaction transaction;
    transaction.writes = {{.what = EtcdWrite::What::kDelete,
                           .key = prefix_ + "/now/leader",
                           .value = "",
                           .range_end = ""}};
    EXPECT_TRUE(client_->Commit(transaction).ok());
    transaction.writes = {{.what = EtcdWrite::What::kPut,
                           .key = prefix_ + "/now/leader",
                           .value = who,
                           .range_end = ""}};
    return client_->Commit(transaction)->revision;
  }

  std::unique_ptr<EtcdClient> client_;
  std::string prefix_;
};

ChangeSet Statuses(const std::string& id) {
  ChangeSet change_set = Make(id, {Put("s", id)});
  change_set.status_only = true;
  return change_set;
}

TEST_F(EtcdLogTest, TheLoserOfARaceSeesWhatTheWinnerWrote) {
  const auto a = Open();
  const auto b = Open();
  ASSERT_TRUE(a->Append(0, Make("1", {Put("a", "1")})).ok());
  EXPECT_TRUE(absl::IsAborted(b->Append(0, Make("2", {Put("b", "1")}))));
  const auto missed = b->After(0);
  ASSERT_TRUE(missed.ok());
  ASSERT_EQ(missed->size(), 1u);
  EXPECT_EQ(missed->front().revision, 1u);
  EXPECT_EQ(missed->front().change_set.id, "1");
  ASSERT_TRUE(b->Append(1, Make("2", {Put("b", "1")})).ok());
  EXPECT_EQ(a->After(1)->size(), 1u);
  EXPECT_TRUE(a->After(2)->empty());
}

TEST_F(EtcdLogTest, ManyWritersLoseNothingAndLeaveNoGap) {
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([this, writer] {
      const auto log = Open();
      uint64_t head = log->Head();
      for (int i = 0; i < kEach;) {
        const std::string name = std::to_string(writer) + "-" + std::to_string(i);
        if (log->Append(head, Make(name, {Put(name, "1")})).ok()) ++i, ++head;
        const auto others = log->After(head);
        if (!others->empty()) head = others->back().revision;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto state = Open()->Load();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->revision, static_cast<uint64_t>(kWriters * kEach));
  EXPECT_EQ(state->resources.resources().size(), static_cast<size_t>(kWriters * kEach));
}

TEST_F(EtcdLogTest, OnlyTheLeaderWritesStatuses) {
  const auto log = Open();
  log->SetFence(Lead("me"));
  ASSERT_TRUE(log->Append(0, Statuses("1")).ok());
  Lead("another");
  EXPECT_TRUE(absl::IsFailedPrecondition(log->Append(1, Statuses("2"))));
  EXPECT_TRUE(log->Append(1, Make("3", {Put("a", "1")})).ok());
  EXPECT_TRUE(absl::IsAborted(log->Maintain({.revision = 5000, .resources = {}})));
}

TEST_F(EtcdLogTest, AMemberThatHangsMakesAWriteUnavailableAndHealsWithoutADouble) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  EtcdServer::Shared()->Signal(SIGSTOP);
  const absl::Status status = log->Append(1, Make("2", {Put("a", "2")}));
  EtcdServer::Shared()->Signal(SIGCONT);
  EXPECT_TRUE(absl::IsUnavailable(status)) << std::string(status.message());
  // etcd may have got it, or not: the log says which, and it is there once at most.
  const auto later = log->After(1);
  ASSERT_TRUE(later.ok()) << std::string(later.status().message());
  ASSERT_LE(later->size(), 1u);
  const absl::Status again = log->Append(1 + later->size(), Make("2", {Put("a", "2")}));
  EXPECT_EQ(absl::IsAlreadyExists(again), later->size() == 1) << std::string(again.message());
  EXPECT_EQ(log->Load()->revision, 2u);
}

TEST_F(EtcdLogTest, AStartReadsACheckpointAndWhatCameAfterIt) {
  EtcdRetention retention;
  retention.checkpoint_every = 10;
  retention.revisions_kept = 15;
  retention.etcd_history = std::chrono::milliseconds(0);
  const auto log = Open(retention);
  log->SetFence(Lead("me"));
  uint64_t head = 0;
  for (; head < 64; ++head) {
    const std::string name = std::to_string(head % 7);
    ASSERT_TRUE(
        log->Append(head, Make("id-" + std::to_string(head),
                               {Put(name, std::to_string(head)),
                                Put("big", std::string(head % 20 == 0 ? 300'000 : 10, 'x'))}))
            .ok());
    const absl::Status kept = log->Maintain(*log->Load());
    ASSERT_TRUE(kept.ok()) << std::string(kept.message());
  }
  const auto fresh = Open(retention);
  const auto state = fresh->Load();
  ASSERT_TRUE(state.ok()) << std::string(state.status().message());
  EXPECT_EQ(state->revision, head);
  EXPECT_EQ(ValueIn(state->resources, "0"), "63");
  // Checkpoints at 10, 20, … 60: what is kept begins at the one before 60 - 15.
  EXPECT_EQ(CountUnder("/log/"), head - 40);
  EXPECT_EQ(CountUnder("/id/"), head - 40);
  EXPECT_EQ(CountUnder("/checkpoint/"), 3u);
  EXPECT_LE(CountUnder("/blob/"), 5u);
  EXPECT_EQ(ValueIn(*fresh->StateAt(45), "2"), "44");
  EXPECT_EQ(ValueIn(*fresh->StateAt(40), "4"), "39");
  EXPECT_TRUE(absl::IsNotFound(fresh->StateAt(39).status()));
  EXPECT_TRUE(absl::IsOutOfRange(fresh->After(30).status()));
  EXPECT_EQ(fresh->History(1000, true)->size(), head - 40);
  EXPECT_EQ(fresh->After(60)->size(), head - 60);
}

TEST_F(EtcdLogTest, LargeChangeSetsAreKeptForLess) {
  EtcdRetention retention;
  retention.blobs_kept = 10;
  const auto log = Open(retention);
  log->SetFence(Lead("me"));
  uint64_t head = 0;
  for (; head < 40; ++head) {
    const std::string large(300'000, static_cast<char>('a' + head % 26));
    ASSERT_TRUE(log->Append(head, Make(std::to_string(head), {Put("large", large)})).ok());
    const absl::Status kept = log->Maintain(*log->Load());
    ASSERT_TRUE(kept.ok()) << std::string(kept.message());
  }
  EXPECT_LE(CountUnder("/blob/"), 10u + 2u);
  EXPECT_LE(CountUnder("/log/"), 10u + 2u);
  EXPECT_EQ(CountUnder("/checkpoint/"), 1u);
  const auto state = Open(retention)->Load();
  ASSERT_TRUE(state.ok()) << std::string(state.status().message());
  EXPECT_EQ(state->revision, head);
  EXPECT_EQ(ValueIn(state->resources, "large")[0], static_cast<char>('a' + (head - 1) % 26));
}

TEST_F(EtcdLogTest, ALogThatWasReplacedIsNotTakenForItself) {
  const auto log = Open();
  ASSERT_TRUE(log->Append(0, Make("1", {Put("a", "1")})).ok());
  ASSERT_TRUE(log->Append(1, Make("2", {Put("a", "2")})).ok());
  EtcdTransaction removal;
  removal.writes = {{.what = EtcdWrite::What::kDelete,
                     .key = prefix_ + "/",
                     .value = "",
                     .range_end = prefix_ + "0"}};
  ASSERT_TRUE(client_->Commit(removal).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(log->After(2).status()));
  ASSERT_TRUE(Open()->Append(0, Make("1", {Put("a", "other")})).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(log->After(2).status()));
  EXPECT_TRUE(absl::IsAborted(log->Append(2, Make("3", {Put("a", "3")}))));
}

TEST_F(EtcdLogTest, WhatNoRequestCanHoldIsRefusedWithItsName) {
  const auto log = Open();
  const absl::Status status = log->Append(0, Make("1", {Put("huge", std::string(2 << 20, 'x'))}));
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_NE(status.message().find("n/huge"), absl::string_view::npos);
  EXPECT_EQ(log->Head(), 0u);
}

}  // namespace
}  // namespace apk

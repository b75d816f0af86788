// Files that are whole, and files that are not.
#include "data-plane/agent/last_good_snapshot.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace apk {
namespace {

class LastGoodSnapshotTest : public testing::Test {
 protected:
  LastGoodSnapshotTest() {
    char pattern[] = "/tmp/apk-snapshot-XXXXXX";
    directory_ = mkdtemp(pattern);
  }
  ~LastGoodSnapshotTest() override { std::filesystem::remove_all(directory_); }

  static v1::Snapshot OfRevision(uint64_t revision) {
    v1::Snapshot snapshot;
    snapshot.set_version("v");
    snapshot.set_revision(revision);
    return snapshot;
  }
  void DamageNewest() const { std::filesystem::resize_file(directory_ + "/snapshot", 20); }
  // As by a new process; 0: nothing that is whole.
  uint64_t Loaded() const {
    const absl::StatusOr<v1::Snapshot> snapshot = LastGoodSnapshot(directory_).Load();
    return snapshot.ok() ? snapshot->revision() : 0;
  }

  std::string directory_;
};

TEST_F(LastGoodSnapshotTest, TheOneBeforeIsUsedWhereTheNewestIsDamaged) {
  LastGoodSnapshot disk(directory_);
  EXPECT_TRUE(absl::IsNotFound(disk.Load().status()));
  ASSERT_TRUE(disk.Save(OfRevision(1)).ok());
  ASSERT_TRUE(disk.Save(OfRevision(2)).ok());
  EXPECT_EQ(Loaded(), 2u);
  DamageNewest();
  EXPECT_EQ(Loaded(), 1u);
}

// A damaged file must not take the place of the one before, which is all that is left.
TEST_F(LastGoodSnapshotTest, TheOneBeforeStaysUntilThereIsAnotherWholeOne) {
  {
    LastGoodSnapshot disk(directory_);
    ASSERT_TRUE(disk.Save(OfRevision(1)).ok());
    ASSERT_TRUE(disk.Save(OfRevision(2)).ok());
  }
  DamageNewest();
  LastGoodSnapshot disk(directory_);
  ASSERT_EQ(disk.Load().value().revision(), 1u);
  ASSERT_TRUE(disk.Save(OfRevision(3)).ok());
  DamageNewest();
  EXPECT_EQ(Loaded(), 1u);
  ASSERT_TRUE(disk.Save(OfRevision(4)).ok());
  ASSERT_TRUE(disk.Save(OfRevision(5)).ok());
  DamageNewest();
  EXPECT_EQ(Loaded(), 4u);
}

}  // namespace
}  // namespace apk

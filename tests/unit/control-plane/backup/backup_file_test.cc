#include "control-plane/backup/backup_file.h"

#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"

namespace apk {
namespace {

Backup MakeBackup() {
  auto secret = std::make_shared<v1::Secret>();
  secret->mutable_metadata()->set_namespace_("default");
  secret->mutable_metadata()->set_name("a");
  (*secret->mutable_data())["key"] = std::string("\0\xff", 2);
  Backup backup;
  backup.revision = 7;
  backup.created = "2026-01-02T03:04:05Z";
  backup.program_version = "1.2.3";
  backup.resources.Put(secret);
  return backup;
}

TEST(BackupFile, IsReadAsItWasWritten) {
  const absl::StatusOr<Backup> read = ReadBackup(WriteBackup(MakeBackup()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->revision, 7U);
  EXPECT_EQ(read->created, "2026-01-02T03:04:05Z");
  EXPECT_EQ(read->program_version, "1.2.3");
  ASSERT_EQ(read->resources.resources().size(), 1U);
  EXPECT_EQ(read->resources.Find<v1::Secret>("default", "a")->data().at("key"),
            std::string("\0\xff", 2));
}

TEST(BackupFile, IsRefusedWhereverItIsDamagedOrCutOff) {
  const std::string file = WriteBackup(MakeBackup());
  for (size_t i = 0; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(ReadBackup(damaged).ok()) << "byte " << i;
    EXPECT_FALSE(ReadBackup(file.substr(0, i)).ok()) << "cut at " << i;
  }
  EXPECT_TRUE(absl::IsDataLoss(ReadBackup(file.substr(0, file.size() - 1)).status()));
}

TEST(BackupFile, IsToldFromOtherFiles) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadBackup("kind: Namespace\n").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadBackup("").status()));
}

}  // namespace
}  // namespace apk

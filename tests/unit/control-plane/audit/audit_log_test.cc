// Files, and a pipe that nobody reads.
#include "control-plane/audit/audit_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace apk {
namespace {

AuditEntry EntryOf(const std::string& verb, const std::string& message = "") {
  AuditEntry entry;
  entry.verb = verb;
  entry.message = message;
  return entry;
}

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    char pattern[] = "/tmp/apk-audit-XXXXXX";
    directory_ = mkdtemp(pattern);
    path_ = directory_ + "/audit.log";
  }
  ~AuditLogTest() override { std::filesystem::remove_all(directory_); }

  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  static size_t LinesIn(const std::string& text) {
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  // A pipe that is full.
  int OpenFullPipe() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int writer = open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    const std::string filling(4096, '\n');
    while (write(writer, filling.data(), filling.size()) > 0) {
    }
    close(writer);
    return reader;
  }
  static std::string ReadAll(int reader) {
    std::string text;
    char bytes[4096];
    for (ssize_t count = 0; (count = read(reader, bytes, sizeof bytes)) > 0;) {
      text.append(bytes, static_cast<size_t>(count));
    }
    return text;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(AuditLogTest, HasWrittenAChangeWhenItIsNoted) {
  const auto log = AuditLog::Open(path_);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_TRUE((*log)->Ready().ok());
  (*log)->Note(EntryOf("first"));
  EXPECT_NE(Content(path_).find("\"verb\":\"first\""), std::string::npos);
  (*log)->Note(EntryOf("second"));
  EXPECT_EQ(LinesIn(Content(path_)), 2U);
  struct stat file;
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
}

TEST_F(AuditLogTest, GoesOnWhereItWasAfterARestart) {
  for (const char* const verb : {"before", "after"}) {
    const auto log = AuditLog::Open(path_);
    ASSERT_TRUE(log.ok());
    (*log)->NoteRefusal(EntryOf(verb));
  }
  EXPECT_EQ(LinesIn(Content(path_)), 2U);
}

TEST_F(AuditLogTest, TakesANewFileWhereTheOldOneWasMovedAway) {
  const auto log = AuditLog::Open(path_);
  ASSERT_TRUE(log.ok());
  (*log)->Note(EntryOf("old"));
  std::filesystem::rename(path_, path_ + ".1");
  (*log)->Reopen();
  (*log)->Note(EntryOf("new"));
  EXPECT_NE(Content(path_ + ".1").find("old"), std::string::npos);
  EXPECT_NE(Content(path_).find("new"), std::string::npos);
}

TEST_F(AuditLogTest, MakesAFileAnewThatWasDeleted) {
  const auto log = AuditLog::Open(path_);
  ASSERT_TRUE(log.ok());
  (*log)->Note(EntryOf("old"));
  std::filesystem::remove(path_);
  (*log)->Note(EntryOf("new"));
  EXPECT_NE(Content(path_).find("new"), std::string::npos);
}

TEST_F(AuditLogTest, SaysAtOnceWhereItCannotBeOpened) {
  EXPECT_FALSE(AuditLog::Open(directory_ + "/missing/audit.log").ok());
}

TEST_F(AuditLogTest, RefusesChangesWhileNobodyReadsAndLosesNone) {
  const int reader = OpenFullPipe();
  const auto log = AuditLog::Open(path_);
  ASSERT_TRUE(log.ok()) << log.status();
  (*log)->Note(EntryOf("waiting"));  // Comes back, though nothing is written.
  const absl::Status refused = (*log)->Ready();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  std::string text = ReadAll(reader);
  // What was refused is not waited for, and beyond a limit only counted.
  for (size_t i = 0; i < 10; ++i) (*log)->NoteRefusal(EntryOf("refused"));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (LinesIn(text.substr(text.find('{') == std::string::npos ? text.size() : text.find('{'))) <
             11 &&
         std::chrono::steady_clock::now() < deadline) {
    text += ReadAll(reader);
  }
  EXPECT_NE(text.find("\"verb\":\"waiting\""), std::string::npos);
  EXPECT_NE(text.find("\"verb\":\"refused\""), std::string::npos);
  EXPECT_TRUE((*log)->Ready().ok());
  close(reader);
}

TEST_F(AuditLogTest, SaysHowManyRefusalsItCouldNotKeep) {
  const int reader = OpenFullPipe();
  const auto log = AuditLog::Open(path_);
  ASSERT_TRUE(log.ok()) << log.status();
  for (size_t i = 0; i < AuditLog::kWaitingMax + 7; ++i) (*log)->NoteRefusal(EntryOf("refused"));
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (text.find("\"Lost\"") == std::string::npos &&
         std::chrono::steady_clock::now() < deadline) {
    text += ReadAll(reader);
  }
  EXPECT_NE(text.find("7 refused requests were not noted"), std::string::npos)
      << text.substr(text.size() > 300 ? text.size() - 300 : 0);
  close(reader);
}

}  // namespace
}  // namespace apk

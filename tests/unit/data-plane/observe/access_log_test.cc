#include "data-plane/observe/access_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace apk {
namespace {

class Directory {
 public:
  Directory() { path_ = mkdtemp(pattern_); }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  char pattern_[32] = "/tmp/access-log-XXXXXX";
  std::string path_;
};

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

AccessRecord WithStatus(uint16_t status) {
  AccessRecord record;
  record.status = status;
  return record;
}

TEST(AccessLogBuffer, TakesWholeLinesOrNothing) {
  AccessLogBuffer buffer(8);
  buffer.Push("12345\n");
  buffer.Push("678\n");
  EXPECT_EQ(buffer.pushed(), 1u);
  EXPECT_EQ(buffer.dropped(), 1u);
  std::string out;
  buffer.Drain(out);
  EXPECT_EQ(out, "12345\n");
}

TEST(AccessLogBuffer, GoesRoundAndRound) {
  AccessLogBuffer buffer(8);
  for (int i = 0; i < 100; ++i) {
    const std::string line = std::to_string(i) + "abc\n";
    buffer.Push(line);
    std::string out;
    buffer.Drain(out);
    EXPECT_EQ(out, line);
  }
  EXPECT_EQ(buffer.dropped(), 0u);
}

TEST(AccessLogBuffer, LosesNothingBetweenTwoThreads) {
  constexpr int kLines = 20'000;
  AccessLogBuffer buffer(1 << 20);
  Thread writer("writer", 0, [&buffer] {
    for (int i = 0; i < kLines; ++i) buffer.Push(std::to_string(i) + "\n");
  });
  std::string expected;
  for (int i = 0; i < kLines; ++i) expected += std::to_string(i) + "\n";
  std::string out;
  while (out.size() < expected.size()) buffer.Drain(out);
  writer.Join();
  EXPECT_EQ(out, expected);
}

TEST(AccessLog, WritesWhatIsLeftWhenItEnds) {
  const Directory directory;
  {
    AccessLog log(directory.File("log"), *AccessFormat::Parse("{status}"), 2);
    ASSERT_TRUE(log.Open().ok());
    log.door(0).Write(WithStatus(200));
    log.Start();
    log.door(1).Write(WithStatus(404));
  }
  EXPECT_EQ(Read(directory.File("log")), "200\n404\n");
}

TEST(AccessLog, AppendsToWhatIsThere) {
  const Directory directory;
  std::ofstream(directory.File("log")) << "before\n";
  {
    AccessLog log(directory.File("log"), *AccessFormat::Parse("{status}"), 1);
    ASSERT_TRUE(log.Open().ok());
    log.Start();
    log.door(0).Write(WithStatus(200));
  }
  EXPECT_EQ(Read(directory.File("log")), "before\n200\n");
}

TEST(AccessLog, CountsWhatAFullDiskDoesNotTake) {
  AccessLog log("/dev/full", *AccessFormat::Parse("{status}"), 1);
  ASSERT_TRUE(log.Open().ok());
  log.door(0).Write(WithStatus(200));
  log.Start();
  while (log.figures().lost == 0) std::this_thread::yield();
  EXPECT_EQ(log.figures().lost, 1u);
  EXPECT_EQ(log.figures().written, 0u);
}

TEST(AccessLog, EndsInTimeThoughNobodyReads) {
  const Directory directory;
  const std::string pipe = directory.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  const auto begun = std::chrono::steady_clock::now();
  {
    AccessLog log(pipe, *AccessFormat::Parse("{user_agent}"), 1);
    ASSERT_TRUE(log.Open().ok());
    log.Start();
    AccessRecord record;
    const std::string agent(4000, 'a');
    record.user_agent = agent;
    for (int i = 0; i < 1000; ++i) log.door(0).Write(record);
    EXPECT_GT(log.figures().dropped, 0u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
  close(reader);
}

TEST(AccessLog, StartsWithoutAReader) {
  const Directory directory;
  const std::string pipe = directory.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  AccessLog log(pipe, *AccessFormat::Parse("{status}"), 1);
  EXPECT_TRUE(log.Open().ok());
  log.door(0).Write(WithStatus(200));
  log.Start();
  while (log.figures().lost == 0) std::this_thread::yield();
}

TEST(AccessLog, SaysWhyAFileCannotBeOpened) {
  AccessLog log("/nowhere/log", *AccessFormat::Parse("json"), 1);
  EXPECT_EQ(log.Open().message(), "can't open /nowhere/log: No such file or directory");
}

TEST(LogFile, GivesALongLineToAPipeInParts) {
  const Directory directory;
  const std::string pipe = directory.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  LogFile file(pipe);
  ASSERT_TRUE(file.Open().ok());
  const std::string line(10'000, 'a');
  std::string_view rest = line;
  while (!rest.empty()) EXPECT_EQ(file.Write(rest), LogFile::Result::kDone);
  std::string got(line.size(), '\0');
  EXPECT_EQ(read(reader, got.data(), got.size()), static_cast<ssize_t>(line.size()));
  EXPECT_EQ(got, line);
  close(reader);
}

}  // namespace
}  // namespace apk

// The configuration file: what it must say, and how one line of it is changed.
#include "control-plane/apkctl/client_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace apk {
namespace {

using testing::HasSubstr;

constexpr char kContexts[] =
    "contexts:\n"
    "# The first.\n"
    "- {name: a, server: 's:1', certificateAuthority: ca.crt, clientCertificate: /c.crt, "
    "clientKey: k}\n"
    "- {name: 'true: #', server: 's:2', certificateAuthority: x, clientCertificate: y, clientKey: "
    "z}\n";

class ClientConfigFile : public testing::Test {
 protected:
  ClientConfigFile() {
    std::string pattern = testing::TempDir() + "/apkctl-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~ClientConfigFile() override { std::filesystem::remove_all(directory_); }

  std::string Path() const { return directory_ + "/config.yaml"; }
  void Write(const std::string& text) const { std::ofstream(Path()) << text; }
  std::string Text() const {
    std::ifstream file(Path());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  std::string directory_;
};

TEST_F(ClientConfigFile, PathsAreThoseOfItsNeighbours) {
  Write(std::string("currentContext: a\n") + kContexts);
  const absl::StatusOr<ClientConfig> config = ReadClientConfig(Path());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->current_context, "a");
  EXPECT_EQ(config->Find("a")->certificate_authority, directory_ + "/ca.crt");
  EXPECT_EQ(config->Find("a")->client_certificate, "/c.crt");
  EXPECT_EQ(config->Names(), "a, true: #");
  EXPECT_EQ(config->Find("b"), nullptr);
}

TEST_F(ClientConfigFile, IsTheOneOfTheVariableUnlessThatIsEmpty) {
  setenv("HOME", directory_.c_str(), 1);
  std::filesystem::create_directories(directory_ + "/.config/apkctl");
  const std::string own = directory_ + "/.config/apkctl/config.yaml";
  std::ofstream(own) << kContexts;
  setenv("APKCTL_CONFIG", "/a/b", 1);
  EXPECT_EQ(FindClientConfig(""), "/a/b");
  EXPECT_EQ(FindClientConfig("/flag"), "/flag");
  setenv("APKCTL_CONFIG", "", 1);
  EXPECT_EQ(FindClientConfig(""), own);
  unsetenv("APKCTL_CONFIG");
  EXPECT_EQ(FindClientConfig(""), own);
}

TEST_F(ClientConfigFile, WhatIsMissingIsNamedWithItsPlace) {
  Write("contexts:\n- name: a\n  server: s\n");
  EXPECT_THAT(std::string(ReadClientConfig(Path()).status().message()),
              HasSubstr(Path() + ":2:3: a context needs certificateAuthority"));
  Write("contexts: [\n");
  EXPECT_THAT(std::string(ReadClientConfig(Path()).status().message()), HasSubstr("is no YAML"));
  std::filesystem::remove(Path());
  EXPECT_EQ(ReadClientConfig(Path()).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ClientConfigFile, AContextIsChosenWhateverItsNameAndAllElseStays) {
  for (const std::string before : {"", "currentContext: a\n", "currentContext: a"}) {
    Write(before.ends_with('a') ? kContexts + before : before + kContexts);
    const absl::StatusOr<ClientConfig> config = ReadClientConfig(Path());
    ASSERT_TRUE(config.ok()) << config.status();
    ASSERT_TRUE(WriteCurrentContext(*config, "true: #").ok());
    const absl::StatusOr<ClientConfig> after = ReadClientConfig(Path());
    ASSERT_TRUE(after.ok()) << after.status();
    EXPECT_EQ(after->current_context, "true: #");
    EXPECT_EQ(after->contexts.size(), 2u);
    EXPECT_THAT(Text(), HasSubstr("# The first.\n"));
  }
}

TEST_F(ClientConfigFile, IsItsOwnersAloneAndReplacedAtOnce) {
  Write(kContexts);
  chmod(Path().c_str(), 0644);
  const std::string link = directory_ + "/link.yaml";
  std::filesystem::create_symlink("config.yaml", link);
  const absl::StatusOr<ClientConfig> config = ReadClientConfig(link);
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(WriteCurrentContext(*config, "a").ok());
  struct stat status {};
  ASSERT_EQ(lstat(link.c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  ASSERT_EQ(stat(Path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory_))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::UnorderedElementsAre("config.yaml", "link.yaml"));
}

TEST_F(ClientConfigFile, WhatIsNotWrittenLineByLineIsLeftAlone) {
  const std::string text =
      R"({"currentContext": "a", "contexts": [{"name": "a", "server": "s", "certificateAuthority": "x",
      "clientCertificate": "y", "clientKey": "z"}]})";
  Write(text);
  const absl::StatusOr<ClientConfig> config = ReadClientConfig(Path());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(WriteCurrentContext(*config, "a").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Text(), text);
}

}  // namespace
}  // namespace apk

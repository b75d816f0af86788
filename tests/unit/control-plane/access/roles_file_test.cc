// A file that changes while it is in force.
#include "control-plane/access/roles_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/strings.h"

namespace apk {
namespace {

class RolesFileTest : public testing::Test {
 protected:
  RolesFileTest() {
    char pattern[] = "/tmp/apk-roles-XXXXXX";
    path_ = Concat(mkdtemp(pattern), "/roles.yaml");
  }
  ~RolesFileTest() override {
    std::filesystem::remove_all(std::filesystem::path(path_).parent_path());
  }

  // As an editor does it: another file takes its place.
  void Write(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }
  void Bind(const std::string& user) {
    Write(Concat("bindings: [{role: admin, users: [", user, "]}]\n"));
  }
  static AccessRequest RequestOf(const std::string& user) {
    return AccessTo({user, {}}, "create", "backups", AccessRequest::Need::kAdmin);
  }

  std::string path_;
};

TEST_F(RolesFileTest, IsInForceAsSoonAsItIsWritten) {
  Bind("first");
  const auto file = RolesFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Check(RequestOf("first")).ok());
  Bind("other");
  EXPECT_FALSE((*file)->Check(RequestOf("first")).ok());
  EXPECT_TRUE((*file)->Check(RequestOf("other")).ok());
}

TEST_F(RolesFileTest, StaysAsItWasWhereItCannotBeRead) {
  Bind("first");
  const auto file = RolesFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  Write("bindings: oops\n");
  EXPECT_TRUE((*file)->Check(RequestOf("first")).ok());
  std::filesystem::remove(path_);
  EXPECT_TRUE((*file)->Check(RequestOf("first")).ok());
  Bind("second");
  EXPECT_FALSE((*file)->Check(RequestOf("first")).ok());
}

TEST_F(RolesFileTest, MustBeGoodAtTheStart) {
  EXPECT_TRUE(absl::IsNotFound(RolesFile::Open(path_).status()));
  Write("bindings: oops\n");
  EXPECT_TRUE(absl::IsInvalidArgument(RolesFile::Open(path_).status()));
}

}  // namespace
}  // namespace apk

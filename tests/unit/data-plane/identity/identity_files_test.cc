#include "data-plane/identity/identity_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "control-plane/identity/certificate_authority.h"
#include "data-plane/identity/file_identity.h"
#include "data-plane/identity/node_key.h"

namespace apk {
namespace {

class IdentityFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/apk-identity-XXXXXX";
    directory_ = mkdtemp(pattern);
    authority_ = *CertificateAuthority::MakeUnsaved();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/i/" + name; }
  void Write(const std::string& path, const std::string& text) const {
    std::ofstream(path) << text;
  }
  TlsIdentity IdentityFor(const std::string& key_pem) const {
    const SigningRequest request = *ParseSigningRequest(*MakeSigningRequest(key_pem, "n"));
    return {.ca_pem = authority_->certificate_pem(),
            .certificate_pem = *authority_->IssueFor(request, {.common_name = "n", .uri = "x:y"}),
            .key_pem = key_pem};
  }

  std::string directory_;
  std::unique_ptr<CertificateAuthority> authority_;
  IdentityFiles files() const { return IdentityFiles(directory_ + "/i"); }
};

TEST_F(IdentityFilesTest, AreReadAsTheyWereWritten) {
  EXPECT_FALSE(files().Exist());
  EXPECT_TRUE(absl::IsNotFound(files().Load().status()));
  const TlsIdentity identity = IdentityFor(*files().KeyToJoin("t"));
  ASSERT_TRUE(files().Joined("t", identity).ok());
  const absl::StatusOr<TlsIdentity> loaded = files().Load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->key_pem, identity.key_pem);
  EXPECT_EQ(loaded->certificate_pem, identity.certificate_pem);
  EXPECT_EQ(loaded->ca_pem, identity.ca_pem);
  EXPECT_TRUE(files().JoinedBy("t"));
  EXPECT_FALSE(files().JoinedBy("u"));
  struct stat file;
  ASSERT_EQ(stat(Path("agent.pem").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(IdentityFilesTest, TheKeyToJoinIsTheSameUntilItHasJoined) {
  const std::string key = *files().KeyToJoin("t");
  EXPECT_EQ(*files().KeyToJoin("t"), key);
  EXPECT_NE(*files().KeyToJoin("u"), key);
  ASSERT_TRUE(files().Joined("t", IdentityFor(key)).ok());
  EXPECT_NE(*files().KeyToJoin("t"), key);
}

TEST_F(IdentityFilesTest, AKeyThatIsHalfWrittenIsMadeAnew) {
  const std::string key = *files().KeyToJoin("t");
  Write(Path("join-t.key"), key.substr(0, key.size() / 2));
  const absl::StatusOr<std::string> again = files().KeyToJoin("t");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(MakeSigningRequest(*again, "n").ok());
}

TEST_F(IdentityFilesTest, SayWhatIsDamaged) {
  const TlsIdentity identity = IdentityFor(*files().KeyToJoin("t"));
  ASSERT_TRUE(files().Joined("t", identity).ok());
  Write(Path("agent.pem"), *NewPrivateKey() + identity.certificate_pem);
  EXPECT_TRUE(absl::IsFailedPrecondition(files().Load().status()));
  EXPECT_FALSE(files().JoinedBy("t"));
  ASSERT_TRUE(files().Save(identity).ok());
  Write(Path("ca.crt"), "");
  EXPECT_NE(std::string(files().Load().status().message()).find("ca.crt is damaged"),
            std::string::npos);
}

TEST_F(IdentityFilesTest, FilesOfAnOperatorMayBeReplacedOneAfterTheOther) {
  const TlsIdentity first = IdentityFor(*NewPrivateKey());
  const TlsIdentity second = IdentityFor(*NewPrivateKey());
  const IdentityPaths paths{
      .ca = directory_ + "/ca", .certificate = directory_ + "/crt", .key = directory_ + "/key"};
  FileIdentity files(paths);
  EXPECT_TRUE(absl::IsNotFound(files.Load()));
  Write(paths.ca, first.ca_pem);
  Write(paths.certificate, first.certificate_pem);
  Write(paths.key, first.key_pem);
  ASSERT_TRUE(files.Load().ok());
  Write(paths.certificate, second.certificate_pem);
  EXPECT_EQ(files.Current().certificate_pem, first.certificate_pem);
  Write(paths.key, second.key_pem);
  EXPECT_EQ(files.Current().certificate_pem, second.certificate_pem);
  EXPECT_EQ(files.Current().key_pem, second.key_pem);
}

}  // namespace
}  // namespace apk

#include "common/join_token.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

JoinToken Token() {
  return {.id = "abcdefgh01",
          .secret = std::string(42, 'A') + "_",
          .authority = std::string(60, '0') + "beef"};
}

TEST(JoinToken, IsReadAsItWasWritten) {
  const absl::StatusOr<JoinToken> read = ParseJoinToken(" " + Token().ToString() + "\r\n");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->ToString(), Token().ToString());
  EXPECT_EQ(read->id, Token().id);
  EXPECT_EQ(read->secret, Token().secret);
  EXPECT_EQ(read->authority, Token().authority);
}

TEST(JoinToken, IsRefusedWhereAPartIsNotWhole) {
  const std::string whole = Token().ToString();
  for (const std::string& text :
       {std::string(), whole.substr(1), whole.substr(0, whole.size() - 1), whole + "0",
        whole + ".x", "apk2" + whole.substr(4), whole.substr(0, whole.rfind('.'))}) {
    const absl::StatusOr<JoinToken> read = ParseJoinToken(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().message().find(Token().secret), absl::string_view::npos);
  }
}

TEST(IdentityName, IsWhatMayStandInAUri) {
  for (const char* name : {"node-1", "a", "N_1.example"}) EXPECT_TRUE(IsIdentityName(name));
  for (const char* name : {"", ".", ".a", "a/b", "a b", "a\n", "\xc3\xa4", "a?b"}) {
    EXPECT_FALSE(IsIdentityName(name)) << name;
  }
  EXPECT_TRUE(IsIdentityName(std::string(253, 'a')));
  EXPECT_FALSE(IsIdentityName(std::string(254, 'a')));
}

}  // namespace
}  // namespace apk

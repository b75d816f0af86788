// What is a label, and what is said of what is none.
#include "common/labels.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

TEST(Labels, KeysAndValuesAreThoseOfKubernetes) {
  for (const char* const good : {"a", "A-b_c.d", "example.com/a", "0", "x.y-z.example/Name"}) {
    EXPECT_TRUE(IsQualifiedName(good)) << good;
  }
  for (const char* const bad :
       {"", "-a", "a-", "a b", "/a", "a/", "a/b/c", "ex_ample/a", "a..b/c"}) {
    EXPECT_FALSE(IsQualifiedName(bad)) << bad;
  }
  EXPECT_FALSE(IsQualifiedName(std::string(64, 'a')));
  EXPECT_FALSE(IsQualifiedName(std::string(254, 'a') + "/a"));
  EXPECT_TRUE(IsLabelValue(""));
  EXPECT_TRUE(IsLabelValue(std::string(63, 'a')));
  for (const char* const bad : {"a,b", "a=b", "ä", "a/b", ".", "a:b"}) {
    EXPECT_FALSE(IsLabelValue(bad)) << bad;
  }
}

TEST(Labels, AreReadAndWritten) {
  const absl::StatusOr<Labels> labels = ParseLabels({"region=eu", "example.com/empty="});
  ASSERT_TRUE(labels.ok());
  EXPECT_EQ(*labels, (Labels{{"region", "eu"}, {"example.com/empty", ""}}));
  EXPECT_EQ(TextsOf(*labels), (std::vector<std::string>{"example.com/empty=", "region=eu"}));
  EXPECT_EQ(LabelsOf(TextsOf(*labels)), *labels);
  EXPECT_TRUE(LabelsOf(std::vector<std::string>{"none", "-=x"}).empty());
}

TEST(Labels, WhatIsNoneIsNamed) {
  EXPECT_EQ(std::string(ParseLabels({"a=b", "c"}).status().message()).find("label \"c\": write"),
            0u);
  EXPECT_EQ(std::string(ParseLabels({"a=b", "a=c"}).status().message()), "label a: is given twice");
  std::vector<std::string> many;
  for (int i = 0; i < 33; ++i) many.push_back("k" + std::to_string(i) + "=v");
  EXPECT_TRUE(absl::IsInvalidArgument(ParseLabels(many).status()));
}

}  // namespace
}  // namespace apk

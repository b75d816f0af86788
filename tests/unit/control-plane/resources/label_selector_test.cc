// Selectors as kubectl writes them.
#include "control-plane/resources/label_selector.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

bool Selects(std::string_view selector,
             const std::vector<std::pair<std::string, std::string>>& labels) {
  google::protobuf::Map<std::string, std::string> map;
  for (const auto& [key, value] : labels) map[key] = value;
  const absl::StatusOr<LabelSelector> parsed = LabelSelector::Parse(selector);
  EXPECT_TRUE(parsed.ok()) << selector;
  return parsed.ok() && parsed->Matches(map);
}

TEST(LabelSelector, TakesEqualityExistenceAndSets) {
  EXPECT_TRUE(Selects("", {}));
  EXPECT_TRUE(Selects("a=b", {{"a", "b"}}));
  EXPECT_TRUE(Selects("a==b", {{"a", "b"}}));
  EXPECT_FALSE(Selects("a=b", {{"a", "c"}}));
  EXPECT_TRUE(Selects("a!=b", {}));
  EXPECT_FALSE(Selects("a!=b", {{"a", "b"}}));
  EXPECT_TRUE(Selects("a, !b", {{"a", ""}}));
  EXPECT_FALSE(Selects("a, !b", {{"a", ""}, {"b", ""}}));
  EXPECT_TRUE(Selects("a in (x, y),b=z", {{"a", "y"}, {"b", "z"}}));
  EXPECT_FALSE(Selects("a in (x,y)", {{"a", "z"}}));
  EXPECT_TRUE(Selects("a notin (x)", {}));
  EXPECT_FALSE(Selects("a notin (x)", {{"a", "x"}}));
}

TEST(LabelSelector, RefusesWhatItCantRead) {
  for (const char* const bad :
       {"=b", "a within (b)", "a in (b", "!", "a b", "-a=b", "a=b c", "a in (x, /)", "a/b/c=d"}) {
    EXPECT_FALSE(LabelSelector::Parse(bad).ok()) << bad;
  }
}

bool Exclude(std::string_view a, std::string_view b) {
  const bool exclude = LabelSelector::Parse(a)->Excludes(*LabelSelector::Parse(b));
  EXPECT_EQ(exclude, LabelSelector::Parse(b)->Excludes(*LabelSelector::Parse(a)));
  return exclude;
}

TEST(LabelSelector, KnowsWhenNothingCanMeetBoth) {
  EXPECT_TRUE(Exclude("a=b", "a=c"));
  EXPECT_TRUE(Exclude("x,a in (b,c)", "a in (d,e)"));
  EXPECT_TRUE(Exclude("a in (b,c)", "a notin (c,b,d)"));
  EXPECT_TRUE(Exclude("a=b", "!a"));
  EXPECT_TRUE(Exclude("a", "!a"));
  EXPECT_FALSE(Exclude("a in (b,c)", "a in (c,d)"));
  EXPECT_FALSE(Exclude("a in (b,c)", "a!=b"));
  EXPECT_FALSE(Exclude("a=b", "a"));
  EXPECT_FALSE(Exclude("a=b", "c=d"));
  EXPECT_FALSE(Exclude("a!=b", "!a"));
  EXPECT_FALSE(Exclude("", "a=b"));
}

}  // namespace
}  // namespace apk

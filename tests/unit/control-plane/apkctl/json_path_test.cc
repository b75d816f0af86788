// Templates as people know them from kubectl.
#include "control-plane/apkctl/json_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace apk {
namespace {

using testing::HasSubstr;

const JsonPath::Json& List() {
  static const JsonPath::Json list = JsonPath::Json::parse(R"({
    "kind": "List",
    "items": [
      {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "shop"}},
       "spec": {"hostnames": ["x", "y", "z"], "weight": 1, "on": true},
       "status": {"conditions": [{"type": "Accepted", "status": "True"},
                                 {"type": "Ready", "status": "False"}]}},
      {"metadata": {"name": "b"}, "spec": {"weight": 20}}
    ]})");
  return list;
}

std::string Print(std::string_view text) {
  const absl::StatusOr<JsonPath> path = JsonPath::Parse(text);
  return path.ok() ? path->Print(List()) : std::string(path.status().message());
}

TEST(JsonPath, Members) {
  EXPECT_EQ(Print("{.kind}"), "List");
  EXPECT_EQ(Print("{$.kind}"), "List");
  EXPECT_EQ(Print(".kind"), "List");
  EXPECT_EQ(Print("{.items[0].metadata.name}"), "a");
  EXPECT_EQ(Print("{.items[*].metadata.name}"), "a b");
  EXPECT_EQ(Print("{['kind']}"), "List");
  EXPECT_EQ(Print(R"({.items[0].metadata.labels.app\.kubernetes\.io/name})"), "shop");
  EXPECT_EQ(Print("{.items[0].metadata.labels['app.kubernetes.io/name']}"), "shop");
  EXPECT_EQ(Print("{.items[0].spec.weight}{.items[0].spec.on}"), "1true");
  EXPECT_EQ(Print("{.items[1].spec}"), R"({"weight":20})");
  EXPECT_EQ(Print("{.nothing.at[3].all}"), "");
}

TEST(JsonPath, PlacesCountFromTheEnd) {
  EXPECT_EQ(Print("{.items[-1].metadata.name}"), "b");
  EXPECT_EQ(Print("{.items[0].spec.hostnames[1:]}"), "y z");
  EXPECT_EQ(Print("{.items[0].spec.hostnames[:2]}"), "x y");
  EXPECT_EQ(Print("{.items[0].spec.hostnames[-2:-1]}"), "y");
  EXPECT_EQ(Print("{.items[7].metadata}{.items[-7]}"), "");
}

TEST(JsonPath, WhateverIsBelow) {
  EXPECT_EQ(Print("{..name}"), "a b");
  EXPECT_EQ(Print("{..hostnames[*]}"), "x y z");
}

TEST(JsonPath, Filters) {
  EXPECT_EQ(Print(R"({.items[0].status.conditions[?(@.type=="Accepted")].status})"), "True");
  EXPECT_EQ(Print("{.items[?(@.spec.weight > 10)].metadata.name}"), "b");
  EXPECT_EQ(Print("{.items[?(@.spec.on)].metadata.name}"), "a");
  EXPECT_EQ(Print("{.items[?(@.spec.on==true)].metadata.name}"), "a");
  EXPECT_EQ(Print("{.items[?(@.metadata.name != 'a')].metadata.name}"), "b");
}

TEST(JsonPath, TextAndRanges) {
  EXPECT_EQ(Print("{range .items[*]}{.metadata.name}={.spec.weight}{\"\\n\"}{end}!"),
            "a=1\nb=20\n!");
  EXPECT_EQ(Print("{range .items[*]}{range .spec.hostnames[*]}{@},{end};{end}"), "x,y,z,;;");
  EXPECT_EQ(Print("name: {.items[0].metadata.name}"), "name: a");
  EXPECT_EQ(Print("{'it''s'}").substr(0, 18), "jsonpath: characte");
}

TEST(JsonPath, WhatIsWrongIsSaidWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"{.a", "character 4: } is missing"},
      {"{range .items[*]}x", "{end} of a range is missing"},
      {"{end}", "end without a range"},
      {"{.a[}", "in [] a number"},
      {"{.a[0}", "] is missing"},
      {"{.a[?(b)]}", "a filter begins with @"},
      {"{.a[?(@.b==x)]}", "a value is expected"},
      {"{\"a}", "a quote is not closed"},
      {"kind", "a path goes on with . or ["}};
  for (const auto& [text, words] : cases) EXPECT_THAT(Print(text), HasSubstr(words)) << text;
}

}  // namespace
}  // namespace apk

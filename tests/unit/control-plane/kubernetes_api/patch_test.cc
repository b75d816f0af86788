// The three patch types, against what their specifications say.
#include "control-plane/kubernetes_api/patch.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "control-plane/kubernetes_api/reply.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kMerge[] = "application/merge-patch+json";
constexpr char kStrategic[] = "application/strategic-merge-patch+json";
constexpr char kJsonPatch[] = "application/json-patch+json";

const Kind& Service() { return *FindKind("", "Service"); }
const Kind& Route() { return *FindKind("gateway.networking.k8s.io", "HTTPRoute"); }

// Sorted, so that the order of members doesn't count; null where it is refused.
nlohmann::json Patched(const char* type, const std::string& present, const std::string& patch) {
  const auto result = ApplyPatch(Service(), type, patch, Json::parse(present));
  return result.ok() ? nlohmann::json(*result) : nlohmann::json();
}

int CodeOf(const Kind& kind, const std::string& type, const std::string& patch) {
  const auto result = ApplyPatch(kind, type, patch, Json{{"spec", {{"a", 1}}}});
  return result.ok() ? 200 : StatusObject(result.status())["code"].get<int>();
}

TEST(MergePatch, ReplacesListsAndRemovesByNull) {
  EXPECT_EQ(Patched(kMerge, R"({"a":{"b":1,"c":2},"l":[1,2]})", R"({"a":{"b":null},"l":[3]})"),
            nlohmann::json::parse(R"({"a":{"c":2},"l":[3]})"));
}

TEST(JsonPatch, AppliesInOrder) {
  EXPECT_EQ(Patched(kJsonPatch, R"({"a":[1],"o":{"x":1,"y":2}})",
                    R"([{"op":"test","path":"/o","value":{"y":2,"x":1}},
                        {"op":"add","path":"/a/-","value":2},{"op":"remove","path":"/a/0"}])"),
            nlohmann::json::parse(R"({"a":[2],"o":{"x":1,"y":2}})"));
}

TEST(JsonPatch, RefusesWhatWouldGrowWithoutEnd) {
  std::string copies = R"({"op":"copy","from":"/spec","path":"/spec/x"})";
  std::string doubled = "[" + copies;
  for (int i = 1; i < 5; ++i) doubled += "," + copies;
  EXPECT_EQ(CodeOf(Service(), kJsonPatch, doubled + "]"), 400);
  EXPECT_EQ(CodeOf(Service(), kJsonPatch, "[" + copies + "]"), 200);
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "/a";
  EXPECT_EQ(CodeOf(Service(), kJsonPatch, R"([{"op":"add","path":")" + deep + R"(","value":1}])"),
            400);
}

TEST(JsonPatch, GivesNoMembersToWhatHasNone) {
  EXPECT_EQ(CodeOf(Service(), kJsonPatch, R"([{"op":"add","path":"/spec/a/x","value":1}])"), 422);
  EXPECT_EQ(CodeOf(Service(), kJsonPatch, R"([{"op":"remove","path":"/spec/a/x"}])"), 422);
}

TEST(ApplyPatch, SaysWhyNot) {
  EXPECT_EQ(CodeOf(Route(), kStrategic, "{}"), 415);
  EXPECT_EQ(CodeOf(Service(), kStrategic, "{}"), 200);
  EXPECT_EQ(CodeOf(Route(), "text/plain", "{}"), 415);
  EXPECT_EQ(CodeOf(Route(), "application/merge-patch+json; charset=utf-8", "{}"), 200);
  EXPECT_EQ(CodeOf(Route(), kMerge, "[1]"), 400);
  EXPECT_EQ(CodeOf(Route(), kMerge, "{"), 400);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  deep += "1" + std::string(100'000, '}');
  EXPECT_EQ(CodeOf(Route(), kMerge, deep), 400);
  EXPECT_EQ(CodeOf(Route(), kJsonPatch, R"([{"op":"test","path":"/spec/a","value":2}])"), 422);
  EXPECT_EQ(CodeOf(Route(), kJsonPatch, R"([{"op":"remove","path":"/none"}])"), 400);
  EXPECT_EQ(CodeOf(Route(), kJsonPatch, R"([{"op":"wrong"}])"), 400);
}

TEST(StrategicMerge, MergesPortsByTheirNumber) {
  EXPECT_EQ(
      Patched(kStrategic, R"({"spec":{"ports":[{"port":1,"name":"a"},{"port":2,"name":"b"}]}})",
              R"({"spec":{"ports":[{"port":2,"name":"c"},{"port":3}]}})"),
      nlohmann::json::parse(
          R"({"spec":{"ports":[{"port":1,"name":"a"},{"port":2,"name":"c"},{"port":3}]}})"));
}

TEST(StrategicMerge, DeletesAnItemAndOrdersTheRest) {
  EXPECT_EQ(Patched(kStrategic, R"({"spec":{"ports":[{"port":1},{"port":2},{"port":3}]}})",
                    R"({"spec":{"$setElementOrder/ports":[{"port":3},{"port":1}],
                                "ports":[{"port":2,"$patch":"delete"}]}})"),
            nlohmann::json::parse(R"({"spec":{"ports":[{"port":3},{"port":1}]}})"));
}

TEST(StrategicMerge, Directives) {
  EXPECT_EQ(
      Patched(kStrategic, R"({"spec":{"a":1,"b":2}})", R"({"spec":{"$patch":"replace","c":3}})"),
      nlohmann::json::parse(R"({"spec":{"c":3}})"));
  EXPECT_EQ(Patched(kStrategic, R"({"spec":{"a":1,"b":2}})",
                    R"({"spec":{"$retainKeys":["a","c"],"c":3}})"),
            nlohmann::json::parse(R"({"spec":{"a":1,"c":3}})"));
  EXPECT_EQ(
      Patched(kStrategic, R"({"metadata":{"finalizers":["a","b"]}})",
              R"({"metadata":{"finalizers":["c"],"$deleteFromPrimitiveList/finalizers":["a"]}})"),
      nlohmann::json::parse(R"({"metadata":{"finalizers":["b","c"]}})"));
  EXPECT_EQ(Patched(kStrategic, R"({"spec":{"ports":[{"port":1}]}})",
                    R"({"spec":{"ports":[{"$patch":"replace"},{"port":9}]}})"),
            nlohmann::json::parse(R"({"spec":{"ports":[{"port":9}]}})"));
}

TEST(StrategicMerge, RefusesWhatHasNoSense) {
  EXPECT_TRUE(Patched(kStrategic, "{}", R"({"spec":{"ports":[{"name":"a"}]}})").is_null());
  EXPECT_TRUE(Patched(kStrategic, "{}", R"({"spec":{"$wrong":1}})").is_null());
}

TEST(StrategicMerge, OtherListsAreReplaced) {
  EXPECT_EQ(Patched(kStrategic, R"({"spec":{"externalIPs":["a"]},"ports":[1]})",
                    R"({"spec":{"externalIPs":["b"]},"ports":[2]})"),
            nlohmann::json::parse(R"({"spec":{"externalIPs":["b"]},"ports":[2]})"));
}

}  // namespace
}  // namespace apk

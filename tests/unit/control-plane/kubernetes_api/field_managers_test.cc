// Server-side apply: who owns what, what goes, and what is a conflict.
#include "control-plane/kubernetes_api/field_managers.h"

#include <gtest/gtest.h>

#include "control-plane/kubernetes_api/reply.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

const Kind& Gateway() { return *FindKind("gateway.networking.k8s.io", "Gateway"); }

FieldManager By(const char* name) {
  return {name, "", "gateway.networking.k8s.io/v1", "2024-01-01T00:00:00Z", FieldSet::object()};
}

Json With(const std::string& spec) { return Json{{"spec", Json::parse(spec)}}; }

absl::StatusOr<FieldsApplied> Apply(const Json& live, FieldManagers managers, const Json& applied,
                                    const char* name, bool force = false) {
  const FieldSet changed =
      ChangedFields(live, WithFields(live, applied, *Gateway().descriptor), *Gateway().descriptor);
  return ApplyFields(live, std::move(managers), applied, changed, By(name), force, Gateway());
}

FieldManagers Owned(const Json& object, const char* name) {
  return AfterUpdate({}, By(name), nullptr, object, Gateway());
}

TEST(FieldsOf, KeyedListsAreTakenApartAndOthersNot) {
  const Json object = Json::parse(R"({"kind":"Gateway","metadata":{"name":"a","labels":{"l":"1"}},
      "spec":{"listeners":[{"name":"x","port":1}],"addresses":[{"value":"1"}]},"status":{"a":1}})");
  const auto expected = nlohmann::json::parse(R"({"f:metadata":{"f:labels":{"f:l":{}}},
      "f:spec":{"f:listeners":{"k:{\"name\":\"x\"}":{"f:name":{},"f:port":{},".":{}}},
                "f:addresses":{}}})");
  EXPECT_EQ(nlohmann::json(FieldsOf(object, *Gateway().descriptor)), expected);
}

TEST(ApplyFields, WhatIsNoLongerAppliedGoes) {
  const Json first = With(R"({"gatewayClassName":"apk","listeners":[{"name":"x","port":1},
                              {"name":"y","port":2}]})");
  const auto made = Apply(Json::object(), {}, first, "ci");
  ASSERT_TRUE(made.ok());
  const auto again =
      Apply(made->object, made->managers, With(R"({"listeners":[{"name":"y","port":2}]})"), "ci");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->object, With(R"({"listeners":[{"name":"y","port":2}]})"));
}

TEST(ApplyFields, WhatAnotherOwnsTooStays) {
  const Json object = With(R"({"gatewayClassName":"apk","listeners":[{"name":"x","port":1}]})");
  const auto a = Apply(Json::object(), {}, object, "a");
  ASSERT_TRUE(a.ok());
  const auto b = Apply(a->object, a->managers, With(R"({"gatewayClassName":"apk"})"), "b");
  ASSERT_TRUE(b.ok());
  const auto less = Apply(b->object, b->managers, With("{}"), "a");
  ASSERT_TRUE(less.ok());
  EXPECT_EQ(less->object, With(R"({"gatewayClassName":"apk"})"));
}

TEST(ApplyFields, ToChangeWhatAnotherOwnsIsAConflictUnlessForced) {
  const Json live = With(R"({"gatewayClassName":"apk","listeners":[{"name":"x","port":1}]})");
  const Json applied = With(R"({"gatewayClassName":"apk","listeners":[{"name":"x","port":9}]})");
  const FieldManagers managers = Owned(live, "kubectl-edit");
  const auto refused = Apply(live, managers, applied, "ci");
  ASSERT_FALSE(refused.ok());
  const Json status = StatusObject(refused.status());
  EXPECT_EQ(status["code"], 409);
  EXPECT_EQ(status["message"],
            "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using "
            "gateway.networking.k8s.io/v1: .spec.listeners[name=\"x\"].port");
  EXPECT_EQ(status["details"]["causes"][0]["reason"], "FieldManagerConflict");
  const auto forced = Apply(live, managers, applied, "ci", true);
  ASSERT_TRUE(forced.ok());
  EXPECT_EQ(forced->object["spec"]["listeners"][0]["port"], 9);
  ASSERT_EQ(forced->managers.size(), 2U);
  EXPECT_FALSE(
      forced->managers[0].fields["f:spec"]["f:listeners"]["k:{\"name\":\"x\"}"].contains("f:port"));
}

TEST(ApplyFields, TheSameValueIsNoConflictAndIsOwnedByBoth) {
  const Json live = With(R"({"gatewayClassName":"apk"})");
  const auto applied = Apply(live, Owned(live, "kubectl-edit"), live, "ci");
  ASSERT_TRUE(applied.ok());
  EXPECT_EQ(applied->managers.size(), 2U);
}

TEST(ApplyFields, WhatNobodyIsKnownToManageWasThereBefore) {
  const Json live = With(R"({"gatewayClassName":"apk"})");
  const auto refused = Apply(live, {}, With(R"({"gatewayClassName":"other"})"), "ci");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(std::string(refused.status().message()).find("before-first-apply"), std::string::npos);
}

TEST(AfterUpdate, TakesWhatItChangesAndForgetsWhatIsGone) {
  const Json before = With(R"({"gatewayClassName":"apk","addresses":[{"value":"1"}]})");
  const Json after = With(R"({"gatewayClassName":"other"})");
  const FieldManagers managers = AfterUpdate(Owned(before, "a"), By("b"), before, after, Gateway());
  ASSERT_EQ(managers.size(), 1U);
  EXPECT_EQ(managers[0].name, "b");
  EXPECT_EQ(PathsOf(managers[0].fields), std::vector<std::string>{".spec.gatewayClassName"});
}

TEST(Managers, SurviveTheObject) {
  v1::ObjectMeta metadata;
  FieldManager manager = By("a");
  manager.operation = "Apply";
  manager.fields = Json::parse(R"({"f:spec":{"k:{\"name\":\"x\"}":{".":{}}}})");
  SetManagers({manager}, metadata);
  const FieldManagers read = ManagersOf(metadata);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].name, "a");
  EXPECT_EQ(read[0].fields, manager.fields);
}

}  // namespace
}  // namespace apk

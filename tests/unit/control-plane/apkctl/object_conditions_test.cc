// What an apply warns of: conditions, with the fields that they name.
#include "control-plane/apkctl/object_conditions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/routes.pb.h"

namespace apk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <class Owner>
void Add(Owner& owner, const char* type, const char* status, const char* reason,
         const char* message) {
  v1::Condition* const condition = owner.add_conditions();
  condition->set_type(type);
  condition->set_status(status);
  condition->set_reason(reason);
  condition->set_message(message);
}

std::vector<std::string> Show(const google::protobuf::Message& object) {
  std::vector<std::string> lines;
  for (const ConditionWarning& warning : WarningsOf(object)) {
    lines.push_back(warning.field_path + ": " + warning.message +
                    (warning.hint.empty() ? "" : " (" + warning.hint + ")"));
  }
  return lines;
}

v1::HTTPRoute RouteWithParents(int count) {
  v1::HTTPRoute route;
  for (int i = 0; i < count; ++i) {
    const std::string name = "gateway-" + std::to_string(i);
    route.mutable_spec()->add_parent_refs()->set_name(name);
    route.mutable_status()->add_parents()->mutable_parent_ref()->set_name(name);
  }
  return route;
}

TEST(WarningsOf, NothingIsSaidOfWhatIsWell) {
  v1::HTTPRoute route = RouteWithParents(1);
  Add(*route.mutable_status()->mutable_parents(0), "Accepted", "True", "Accepted", "fine");
  Add(*route.mutable_status()->mutable_parents(0), "ResolvedRefs", "True", "ResolvedRefs", "fine");
  EXPECT_THAT(Show(route), IsEmpty());
  EXPECT_THAT(Show(v1::ConfigMap()), IsEmpty());
}

TEST(WarningsOf, EachFieldThatAMessageNamesIsAWarningOfItsOwnAndOnce) {
  v1::HTTPRoute route = RouteWithParents(2);
  for (int i = 0; i < 2; ++i) {
    Add(*route.mutable_status()->mutable_parents(i), "ResolvedRefs", "False", "BackendNotFound",
        "spec.rules[0].backendRefs[0]: Service a; b not found; spec.rules[1].backendRefs[2]: "
        "Backend c "
        "not found");
  }
  EXPECT_THAT(
      Show(route),
      ElementsAre("spec.rules[0].backendRefs[0]: Service a; b not found [ResolvedRefs=False, "
                  "BackendNotFound] (apply it too, or correct the reference)",
                  "spec.rules[1].backendRefs[2]: Backend c not found [ResolvedRefs=False, "
                  "BackendNotFound] (apply it too, or correct the reference)"));
}

TEST(WarningsOf, AFieldWithAReasonOfItsOwnHasItsHint) {
  v1::HTTPRoute route = RouteWithParents(1);
  Add(*route.mutable_status()->mutable_parents(0), "ResolvedRefs", "False", "RefNotPermitted",
      "spec.rules[0].backendRefs[0]: no ReferenceGrant; spec.rules[1].backendRefs[0]: Backend c "
      "not "
      "found [BackendNotFound]");
  EXPECT_THAT(
      Show(route),
      ElementsAre("spec.rules[0].backendRefs[0]: no ReferenceGrant [ResolvedRefs=False, "
                  "RefNotPermitted] (a ReferenceGrant in the namespace of what is referred to must "
                  "allow it)",
                  "spec.rules[1].backendRefs[0]: Backend c not found [ResolvedRefs=False, "
                  "BackendNotFound] (apply it too, or correct the reference)"));
}

TEST(WarningsOf, AParentsConditionStandsAtItsParentRef) {
  v1::HTTPRoute route = RouteWithParents(2);
  Add(*route.mutable_status()->mutable_parents(1), "Accepted", "False", "NoMatchingParent",
      "Gateway default/gateway-1 does not exist");
  EXPECT_THAT(Show(route),
              ElementsAre("spec.parentRefs[1]: Gateway default/gateway-1 does not exist "
                          "[Accepted=False, NoMatchingParent] (apply what it names, or correct "
                          "parentRefs)"));
}

TEST(WarningsOf, RulesThatAreNotServedAreBadNewsThoughTheConditionIsTrue) {
  v1::HTTPRoute route = RouteWithParents(1);
  Add(*route.mutable_status()->mutable_parents(0), "PartiallyInvalid", "True", "UnsupportedValue",
      "Dropped Rule(s), answered 500: spec.rules[1].filters[0]: no such filter");
  EXPECT_THAT(Show(route),
              ElementsAre("spec.rules[1].filters[0]: no such filter "
                          "[PartiallyInvalid=True, UnsupportedValue] (use a value that "
                          "this gateway supports)"));
}

TEST(WarningsOf, WhatIsMissingIsToBeAppliedWhateverTheReason) {
  v1::HTTPRoute route = RouteWithParents(1);
  Add(*route.mutable_status()->mutable_parents(0), "Accepted", "False", "UnsupportedValue",
      "spec.rules[0].filters[0].extensionRef: Authentication a not found in namespace default");
  EXPECT_THAT(Show(route),
              ElementsAre("spec.rules[0].filters[0].extensionRef: Authentication a not found in "
                          "namespace default [Accepted=False, UnsupportedValue] (apply it too, or "
                          "correct the reference)"));
}

TEST(WarningsOf, AListenersConditionStandsAtTheListener) {
  v1::Gateway gateway;
  gateway.mutable_spec()->add_listeners()->set_name("a");
  gateway.mutable_spec()->add_listeners()->set_name("b");
  Add(*gateway.mutable_status(), "Accepted", "True", "Accepted", "fine");
  v1::ListenerStatus* const listener = gateway.mutable_status()->add_listeners();
  listener->set_name("b");
  Add(*listener, "ResolvedRefs", "False", "InvalidCertificateRef", "Secret s not found");
  Add(*listener, "Programmed", "False", "Invalid", "references do not resolve");
  Add(*listener, "Conflicted", "False", "NoConflicts", "fine");
  EXPECT_THAT(Show(gateway),
              ElementsAre("spec.listeners[1]: Secret s not found [ResolvedRefs=False, "
                          "InvalidCertificateRef] (apply it too, or correct the reference)"));
}

TEST(WarningsOf, WhatIsOnItsWayToTheAgentsIsNoWarning) {
  v1::Gateway gateway;
  Add(*gateway.mutable_status(), "Programmed", "False", "Pending", "no agent is connected");
  EXPECT_THAT(Show(gateway), IsEmpty());
  Add(*gateway.mutable_status(), "Programmed", "False", "AddressNotUsable", "port 80 is taken");
  EXPECT_EQ(Show(gateway).size(), 0u);  // It follows from the other; alone it is told:
  gateway.mutable_status()->mutable_conditions()->DeleteSubrange(0, 1);
  EXPECT_THAT(Show(gateway),
              ElementsAre(": port 80 is taken [Programmed=False, AddressNotUsable]"));
}

TEST(WarningsOf, WhatNobodyTakesChargeOfIsSaid) {
  v1::Gateway gateway;
  gateway.mutable_spec()->set_gateway_class_name("other");
  EXPECT_THAT(Show(gateway),
              ElementsAre("spec.gatewayClassName: no GatewayClass \"other\" is served here: this "
                          "Gateway has no effect (use gatewayClassName: apk)"));
  EXPECT_EQ(Show(v1::HTTPRoute()).size(), 0u);  // Validation said it.
  v1::HTTPRoute elsewhere;
  elsewhere.mutable_spec()->add_parent_refs()->set_kind("Service");
  EXPECT_THAT(Show(elsewhere),
              ElementsAre("spec.parentRefs[0]: leads to no Gateway of this control plane: it has "
                          "no effect (name a Gateway of class apk)"));
}

}  // namespace
}  // namespace apk

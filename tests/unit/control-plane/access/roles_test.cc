// What each role may, and files that are wrong.
#include "control-plane/access/roles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/strings.h"

namespace apk {
namespace {

using Need = AccessRequest::Need;

constexpr char kFile[] = R"(
groups:
  shop: [ann, bob]
bindings:
- {role: admin, users: [root]}
- {role: editor, groups: [shop], namespaces: [shop]}
- {role: editor, users: [everywhere], namespaces: ["*"]}
- {role: viewer, users: [eve]}
- {role: viewer, users: [guest], namespaces: [shop]}
)";

absl::Status Check(const std::string& user, const std::string& verb, const std::string& kind,
                   const std::string& namespace_name, const std::string& name = "") {
  static const absl::StatusOr<Roles> roles = Roles::Parse(kFile, "roles.yaml");
  EXPECT_TRUE(roles.ok()) << roles.status();
  return roles->Check(AccessToKind({Concat("spiffe://apk/user/", user), {}}, verb,
                                   *FindKindByWord(kind), namespace_name, name));
}

bool May(const std::string& user, const std::string& verb, const std::string& kind,
         const std::string& namespace_name) {
  return Check(user, verb, kind, namespace_name).ok();
}

TEST(Roles, AnAdminMayDoEverything) {
  EXPECT_TRUE(May("root", "delete", "namespace", ""));
  EXPECT_TRUE(May("root", "get", "secret", "shop"));
  EXPECT_TRUE(May("root", "list", "secret", ""));
}

TEST(Roles, AnEditorWritesAndReadsSecretsInItsNamespacesAlone) {
  for (const char* const user : {"ann", "bob"}) {
    EXPECT_TRUE(May(user, "apply", "httproute", "shop"));
    EXPECT_TRUE(May(user, "get", "secret", "shop"));
    EXPECT_TRUE(May(user, "list", "httproute", "shop"));
    EXPECT_FALSE(May(user, "apply", "httproute", "bakery"));
    EXPECT_FALSE(May(user, "get", "httproute", "bakery"));
    EXPECT_FALSE(May(user, "list", "httproute", "")) << "all namespaces";
    EXPECT_FALSE(May(user, "delete", "namespace", "")) << "shop itself";
  }
  EXPECT_TRUE(May("everywhere", "list", "secret", ""));
  EXPECT_TRUE(May("everywhere", "apply", "httproute", "bakery"));
  EXPECT_FALSE(May("everywhere", "apply", "gatewayclass", ""));
}

TEST(Roles, AViewerReadsButNoSecrets) {
  EXPECT_TRUE(May("eve", "list", "httproute", ""));
  EXPECT_TRUE(May("eve", "watch", "gateway", "shop"));
  EXPECT_FALSE(May("eve", "get", "secret", "shop"));
  EXPECT_FALSE(May("eve", "watch", "secret", ""));
  EXPECT_FALSE(May("eve", "patch", "httproute", "shop"));
  EXPECT_TRUE(May("guest", "get", "httproute", "shop"));
  EXPECT_FALSE(May("guest", "list", "httproute", ""));
}

TEST(Roles, NamesOfNamespacesAndClassesAreReadByWhoeverHasARole) {
  EXPECT_TRUE(May("guest", "list", "namespace", ""));
  EXPECT_TRUE(May("ann", "get", "gatewayclass", ""));
  EXPECT_FALSE(May("stranger", "list", "namespace", ""));
}

TEST(Roles, WhatIsNoKindNeedsARoleToo) {
  const absl::StatusOr<Roles> roles = Roles::Parse(kFile, "roles.yaml");
  ASSERT_TRUE(roles.ok());
  const auto may = [&roles](const std::string& user, Need need) {
    return roles->Check(AccessTo({user, {}}, "create", "backups", need)).ok();
  };
  EXPECT_TRUE(may("root", Need::kAdmin));
  EXPECT_FALSE(may("everywhere", Need::kAdmin));
  EXPECT_TRUE(may("eve", Need::kRead));
  EXPECT_FALSE(may("guest", Need::kRead)) << "that is everything's";
  EXPECT_TRUE(may("guest", Need::kAnyRole));
  EXPECT_FALSE(may("stranger", Need::kAnyRole));
}

TEST(Roles, ARefusalSaysWhoWhatAndWhere) {
  EXPECT_EQ(Check("ann", "delete", "httproute", "bakery", "bread").message(),
            "httproutes.gateway.networking.k8s.io \"bread\" is forbidden: User \"ann\" cannot "
            "delete resource \"httproutes\" in API group \"gateway.networking.k8s.io\" in the "
            "namespace \"bakery\"");
  EXPECT_EQ(Check("ann", "list", "secret", "").message(),
            "secrets is forbidden: User \"ann\" cannot list resource \"secrets\" in API group \"\" "
            "at the cluster scope");
}

TEST(Roles, AStarIsWhoeverHasACertificate) {
  const absl::StatusOr<Roles> roles =
      Roles::Parse("bindings: [{role: viewer, users: ['*']}]", "roles.yaml");
  ASSERT_TRUE(roles.ok());
  EXPECT_TRUE(roles->Check(AccessTo({"anybody", {}}, "list", "agents", Need::kAnyRole)).ok());
}

struct Wrong {
  const char* text;
  const char* message;
};

TEST(Roles, WhatIsWrongWithAFileIsSaidWithItsPlace) {
  const Wrong kWrong[] = {
      {"", "roles.yaml: it is empty"},
      {"bindings:\n- {role: owner, users: [a]}", "roles.yaml:2:10: role must be viewer, editor or"},
      {"bindings:\n- {users: [a]}", "roles.yaml:2:3: role must be"},
      {"bindings:\n- {role: viewer, user: [a]}",
       "roles.yaml:2:18: there is no field \"user\"; did you mean users?"},
      {"bindings:\n- {role: viewer}", "roles.yaml:2:3: who has it?"},
      {"bindings:\n- {role: viewer, users: a}", "roles.yaml:2:25: users must be a list"},
      {"bindings:\n- {role: viewer, groups: [g]}",
       "there is no group \"g\"; one that tokens name is \"oidc:g\""},
      {"groups: {'oidc:g': [a]}\nbindings: []", "tokens say themselves"},
      {"bindings:\n- {role: editor, users: [a]}", "an editor needs namespaces"},
      {"bindings:\n- {role: admin, users: [a], namespaces: [n]}", "an admin is one everywhere"},
      {"groups: {a: [b]}", "bindings is missing"},
      {"bindings: [", "roles.yaml:"},
  };
  for (const Wrong& wrong : kWrong) {
    const absl::Status status = Roles::Parse(wrong.text, "roles.yaml").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << wrong.text;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(wrong.message)) << wrong.text;
  }
}

TEST(Roles, UsersByTokenAndTheirGroupsAreApartFromCertificates) {
  const auto roles = Roles::Parse(R"(
groups:
  shop: [ann]
bindings:
- {role: editor, groups: [shop, "oidc:shop"], namespaces: [shop]}
- {role: viewer, users: ["*"]}
- {role: admin, users: ["oidc:root"]}
)",
                                  "roles.yaml");
  ASSERT_TRUE(roles.ok()) << roles.status();
  const auto may = [&](const Principal& who, const std::string& verb) {
    return roles->Check(AccessToKind(who, verb, *FindKindByWord("configmap"), "shop", "")).ok();
  };
  EXPECT_TRUE(may({"oidc:x", {"oidc:a", "oidc:shop"}}, "apply"));
  EXPECT_FALSE(may({"oidc:x", {"shop"}}, "apply"));
  EXPECT_FALSE(may({"oidc:ann", {}}, "apply")) << "a namesake";
  EXPECT_FALSE(may({"oidc:x", {}}, "get")) << "* is for certificates";
  EXPECT_TRUE(may({"spiffe://apk/user/x", {}}, "get"));
  EXPECT_TRUE(may({"oidc:root", {}}, "delete"));
  EXPECT_FALSE(may({"spiffe://apk/user/root", {}}, "delete"));
  const auto everybody =
      Roles::Parse("bindings: [{role: viewer, users: ['oidc:*']}]", "roles.yaml");
  ASSERT_TRUE(everybody.ok()) << everybody.status();
  const AccessRequest reading =
      AccessToKind({"oidc:x", {}}, "get", *FindKindByWord("configmap"), "shop", "");
  EXPECT_TRUE(everybody->Check(reading).ok());
}

}  // namespace
}  // namespace apk

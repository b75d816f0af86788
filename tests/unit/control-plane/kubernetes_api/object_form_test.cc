// Versions of a kind, and bodies that are not what their path names.
#include "control-plane/kubernetes_api/object_form.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apk/v1/api.pb.h"
#include "apk/v1/backend.pb.h"
#include "control-plane/kubernetes_api/reply.h"

namespace apk {
namespace {

ResourcePath Path(const char* version, const std::string& name) {
  const Kind* const kind = FindKind("dp.wso2.com", "Backend");
  return {.kind = kind,
          .group = kind->group,
          .version = version,
          .namespace_name = "x",
          .plural = kind->plural,
          .name = name,
          .subresource = ""};
}

std::string Refusal(const std::string& body, const ResourcePath& path) {
  const auto object = ReadObject(body, path);
  if (object.ok()) return "";
  const auto status = StatusObject(object.status());
  return std::to_string(status["code"].get<int>()) + " " + status["message"].get<std::string>();
}

TEST(ToVersion, AnOldVersionHasItsOwnNames) {
  v1::API api;
  api.mutable_spec()->add_production()->add_route_refs("r");
  api.mutable_spec()->set_environment("dev");
  const auto old = ToVersion(api, "v1alpha1");
  EXPECT_EQ(old["apiVersion"], "dp.wso2.com/v1alpha1");
  EXPECT_EQ(old["spec"]["production"][0]["httpRouteRefs"][0], "r");
  EXPECT_FALSE(old["spec"].contains("environment"));
  const auto stored = ToVersion(api, "v1alpha3");
  EXPECT_EQ(stored["spec"]["production"][0]["routeRefs"][0], "r");
  EXPECT_EQ(stored["spec"]["environment"], "dev");
}

TEST(ReadObject, TakesThePathsNamespace) {
  const auto object = ReadObject(
      R"({"apiVersion":"dp.wso2.com/v1alpha1","kind":"Backend","metadata":{"name":"a"}})",
      Path("v1alpha1", "a"));
  ASSERT_TRUE(object.ok());
  EXPECT_EQ(static_cast<const v1::Backend&>(**object).metadata().namespace_(), "x");
}

TEST(ReadObject, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(
      Refusal(R"({"apiVersion":"dp.wso2.com/v1alpha1","kind":"Backend","metadata":{"name":"a"},
                       "spec":{"protocoll":"http"}})",
              Path("v1alpha1", "")),
      "422 Backend.dp.wso2.com \"a\" is invalid: spec.protocoll: there is no such field (did "
      "you mean \"protocol\"?)");
}

TEST(ReadObject, RefusesWhatThePathDoesNotName) {
  const std::string begin = R"({"apiVersion":"dp.wso2.com/v1alpha1","kind":"Backend","metadata":)";
  EXPECT_EQ(Refusal(begin + R"({"name":"b"}})", Path("v1alpha1", "a")),
            "400 metadata.name: the object is named \"b\", the path \"a\"");
  EXPECT_EQ(Refusal(begin + R"({"name":"a","namespace":"y"}})", Path("v1alpha1", "a")),
            "400 metadata.namespace: the object is in \"y\", the path in \"x\"");
  EXPECT_EQ(Refusal(begin + R"({"name":"a"}})", Path("v1alpha2", "a")),
            "400 apiVersion: dp.wso2.com/v1alpha1 in the object, dp.wso2.com/v1alpha2 in the path");
  EXPECT_EQ(Refusal(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}})",
                    Path("v1alpha2", "a")),
            "400 the object is a Secret, the path is of backends");
  EXPECT_EQ(Refusal("", Path("v1alpha2", "a")), "400 the body must be one object");
}

}  // namespace
}  // namespace apk

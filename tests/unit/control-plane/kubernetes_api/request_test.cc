// Targets and what they name.
#include "control-plane/kubernetes_api/request.h"

#include <gtest/gtest.h>

namespace apk {
namespace {

absl::StatusOr<ResourcePath> PathOf(const std::string& target) {
  const absl::StatusOr<ApiTarget> parsed = ParseTarget(target);
  if (!parsed.ok()) return parsed.status();
  return ParseResourcePath(*parsed);
}

TEST(ParseTarget, DecodesSegmentsAndParameters) {
  const auto target = ParseTarget("/api/v1/a%2Fb/?labelSelector=a%3Db%2Cc+in+(d)&watch&limit=5");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->segments, (std::vector<std::string>{"api", "v1", "a/b"}));
  EXPECT_EQ(target->Query("labelSelector"), "a=b,c in (d)");
  EXPECT_EQ(target->Query("none"), "");
  EXPECT_TRUE(target->Flag("watch"));
  EXPECT_FALSE(target->Flag("none"));
}

TEST(ParseTarget, RefusesWhatIsNoPath) {
  for (const char* const target : {"", "api", "/a b", "/%zz", "*", "/a?b=%"}) {
    EXPECT_FALSE(ParseTarget(target).ok()) << target;
  }
}

TEST(ParseResourcePath, NamespacedKinds) {
  const auto one =
      PathOf("/apis/gateway.networking.k8s.io/v1beta1/namespaces/x/httproutes/a/status");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->kind->name, "HTTPRoute");
  EXPECT_EQ(one->version, "v1beta1");
  EXPECT_EQ(one->namespace_name, "x");
  EXPECT_EQ(one->name, "a");
  EXPECT_EQ(one->subresource, "status");
  const auto everywhere = PathOf("/apis/dp.wso2.com/v1alpha1/backends");
  ASSERT_TRUE(everywhere.ok());
  EXPECT_EQ(everywhere->namespace_name, "");
  EXPECT_EQ(everywhere->name, "");
}

TEST(ParseResourcePath, TheNamespaceItself) {
  const auto path = PathOf("/api/v1/namespaces/x");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->kind->name, "Namespace");
  EXPECT_EQ(path->name, "x");
  EXPECT_EQ(PathOf("/api/v1/namespaces/x/status")->subresource, "status");
  EXPECT_EQ(PathOf("/api/v1/namespaces/x/services")->kind->name, "Service");
}

TEST(ParseResourcePath, WhatIsNotThere) {
  for (const char* const target :
       {"/api/v1", "/api/v2/services", "/apis/dp.wso2.com/v1/backends", "/apis/none/v1/backends",
        "/apis/dp.wso2.com/v1alpha1/backends/a", "/apis/dp.wso2.com/v1alpha1/namespaces/x/gateways",
        "/apis/gateway.networking.k8s.io/v1/namespaces/x/gatewayclasses/a",
        "/apis/dp.wso2.com/v1alpha1/namespaces/x/backends/a/status/more", "/metrics"}) {
    EXPECT_EQ(PathOf(target).status().code(), absl::StatusCode::kNotFound) << target;
  }
}

TEST(ParseResourcePath, EventsAreNoKindOfOurs) {
  const auto path = PathOf("/api/v1/namespaces/x/events");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->kind, nullptr);
}

}  // namespace
}  // namespace apk

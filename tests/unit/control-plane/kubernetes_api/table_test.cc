// Tables, and who wants one.
#include "control-plane/kubernetes_api/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apk/v1/backend.pb.h"

namespace apk {
namespace {

TEST(WantsTable, TheFirstFormThatWeHaveCounts) {
  constexpr char kKubectl[] =
      "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;"
      "g=meta.k8s.io,application/json";
  EXPECT_TRUE(WantsTable(kKubectl));
  EXPECT_TRUE(
      WantsTable("application/json;as=Table;v=v1beta1;g=meta.k8s.io, "
                 "application/json; as=Table; v=v1; g=meta.k8s.io"));
  EXPECT_FALSE(WantsTable("application/json, application/json;as=Table;v=v1;g=meta.k8s.io"));
  EXPECT_FALSE(WantsTable("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io"));
  EXPECT_FALSE(WantsTable("*/*"));
  EXPECT_FALSE(WantsTable(""));
}

TEST(MakeTable, ARowAnObjectAndWideColumnsLast) {
  const auto backend = std::make_shared<v1::Backend>();
  backend->mutable_metadata()->set_name("a");
  backend->mutable_spec()->set_protocol("http");
  ApiTableOptions options;
  options.version = "v1alpha1";
  options.resource_version = "7";
  options.continue_token = "next";
  const auto table = MakeTable(*FindKind(v1::Backend::descriptor()), {backend}, options);
  EXPECT_EQ(table["metadata"]["resourceVersion"], "7");
  EXPECT_EQ(table["metadata"]["continue"], "next");
  ASSERT_EQ(table["columnDefinitions"].size(), table["rows"][0]["cells"].size());
  EXPECT_EQ(table["columnDefinitions"][0]["name"], "Name");
  EXPECT_EQ(table["columnDefinitions"][0]["priority"], 0);
  EXPECT_EQ(table["columnDefinitions"][1]["name"], "Age");
  EXPECT_EQ(table["columnDefinitions"][2]["priority"], 1);
  EXPECT_EQ(table["rows"][0]["cells"][0], "a");
  EXPECT_EQ(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
  EXPECT_EQ(table["rows"][0]["object"]["metadata"]["name"], "a");
  EXPECT_FALSE(table["rows"][0]["object"].contains("spec"));
  options.include_object = "Object";
  const auto whole = MakeTable(*FindKind(v1::Backend::descriptor()), {backend}, options);
  EXPECT_EQ(whole["rows"][0]["object"]["apiVersion"], "dp.wso2.com/v1alpha1");
  options.include_object = "None";
  EXPECT_FALSE(
      MakeTable(*FindKind(v1::Backend::descriptor()), {backend}, options)["rows"][0].contains(
          "object"));
}

}  // namespace
}  // namespace apk

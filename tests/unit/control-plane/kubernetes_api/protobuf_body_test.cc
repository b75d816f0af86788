// What `kubectl create` sends.
#include "control-plane/kubernetes_api/protobuf_body.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apk/v1/kubernetes_body.pb.h"
#include "control-plane/kubernetes_api/reply.h"

namespace apk {
namespace {

std::string Body(const char* kind, const google::protobuf::Message& message) {
  v1::KubernetesEnvelope envelope;
  envelope.mutable_type_meta()->set_api_version("v1");
  envelope.mutable_type_meta()->set_kind(kind);
  envelope.set_raw(message.SerializeAsString());
  return std::string("k8s\0", 4) + envelope.SerializeAsString();
}

int CodeOf(const std::string& body) {
  const auto json = JsonOfProtobuf(body);
  return json.ok() ? 200 : StatusObject(json.status())["code"].get<int>();
}

TEST(JsonOfProtobuf, ASecret) {
  v1::KubernetesSecret secret;
  secret.mutable_metadata()->set_name("a");
  (*secret.mutable_data())["k"] = "value";
  const auto json = JsonOfProtobuf(Body("Secret", secret));
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(nlohmann::json::parse(*json), nlohmann::json::parse(R"({"apiVersion":"v1",
      "kind":"Secret","metadata":{"name":"a"},"data":{"k":"dmFsdWU="}})"));
}

TEST(JsonOfProtobuf, RefusesWhatItWouldLose) {
  v1::KubernetesConfigMap map;
  EXPECT_EQ(CodeOf(Body("ConfigMap", map)), 200);
  EXPECT_EQ(CodeOf(Body("Pod", map)), 415);
  map.GetReflection()->MutableUnknownFields(&map)->AddVarint(99, 1);
  EXPECT_EQ(CodeOf(Body("ConfigMap", map)), 415);
  v1::KubernetesNamespace space;
  auto* const metadata = space.mutable_metadata();
  metadata->GetReflection()->MutableUnknownFields(metadata)->AddLengthDelimited(14, "finalizer");
  EXPECT_EQ(CodeOf(Body("Namespace", space)), 415);
  EXPECT_EQ(CodeOf("{}"), 400);
  EXPECT_EQ(CodeOf(std::string("k8s\0\xff\xff", 6)), 400);
}

}  // namespace
}  // namespace apk

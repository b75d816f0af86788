// A few kinds; everything else that kubectl sends is JSON.
#include "control-plane/kubernetes_api/protobuf_body.h"

#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apk/v1/kubernetes_body.pb.h"
#include "common/strings.h"
#include "control-plane/kubernetes_api/reply.h"

namespace apk {
namespace {

using google::protobuf::Message;
using Json = nlohmann::ordered_json;

constexpr std::string_view kMagic("k8s\0", 4);

absl::Status Unsupported(const std::string& what) {
  return ApiError(415, "UnsupportedMediaType",
                  Concat(what, " is not read as protobuf: use kubectl apply, or send JSON"));
}

std::unique_ptr<Message> NewMessage(const v1::KubernetesEnvelope::TypeMeta& type) {
  if (type.api_version() == "authorization.k8s.io/v1") {
    if (type.kind() == "SelfSubjectAccessReview") {
      return std::make_unique<v1::KubernetesAccessReview>();
    }
    if (type.kind() == "SelfSubjectRulesReview") {
      return std::make_unique<v1::KubernetesRulesReview>();
    }
  }
  if (type.api_version() == "authentication.k8s.io/v1" && type.kind() == "SelfSubjectReview") {
    return std::make_unique<v1::KubernetesUserReview>();
  }
  if (type.api_version() != "v1") return nullptr;
  if (type.kind() == "Namespace") return std::make_unique<v1::KubernetesNamespace>();
  if (type.kind() == "Secret") return std::make_unique<v1::KubernetesSecret>();
  if (type.kind() == "ConfigMap") return std::make_unique<v1::KubernetesConfigMap>();
  return nullptr;
}

bool HasUnknownFields(const Message& message) {
  const auto& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return true;
  const auto* const metadata = message.GetDescriptor()->FindFieldByName("metadata");
  return metadata != nullptr && reflection.HasField(message, metadata) &&
         HasUnknownFields(reflection.GetMessage(message, metadata));
}

}  // namespace

bool IsProtobuf(const std::string& content_type) {
  return content_type.starts_with("application/vnd.kubernetes.protobuf");
}

absl::StatusOr<std::string> JsonOfProtobuf(const std::string& body) {
  v1::KubernetesEnvelope envelope;
  if (!body.starts_with(kMagic) || !envelope.ParseFromString(body.substr(kMagic.size()))) {
    return absl::InvalidArgumentError("the body is no protobuf of Kubernetes");
  }
  const std::string& kind = envelope.type_meta().kind();
  const std::unique_ptr<Message> message = NewMessage(envelope.type_meta());
  if (message == nullptr) return Unsupported(Concat("kind ", kind));
  if (!message->ParseFromString(envelope.raw())) {
    return absl::InvalidArgumentError(Concat("the body holds no ", kind));
  }
  if (HasUnknownFields(*message)) return Unsupported(Concat("a field of the ", kind));
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(*message, &text).ok()) {
    return absl::InvalidArgumentError("the body holds text that is no UTF-8");
  }
  Json object = Json::parse(text, nullptr, false);
  object["apiVersion"] = envelope.type_meta().api_version();
  object["kind"] = kind;
  object.erase("status");
  if (kind == "Namespace" && object.contains("spec")) object["spec"] = Json::object();
  if (object.contains("metadata")) object["metadata"].erase("creationTimestamp");
  return Dump(object);
}

}  // namespace apk

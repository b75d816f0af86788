// Reads the (kind) options once.
#include "control-plane/resources/kind_registry.h"

#include <google/protobuf/message.h>

#include "apk/v1/api.pb.h"
#include "apk/v1/backend.pb.h"
#include "apk/v1/backend_tls_policy.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/grpc_route.pb.h"
#include "apk/v1/listener_set.pb.h"
#include "apk/v1/policies.pb.h"
#include "apk/v1/routes.pb.h"
#include "apk/v1/schema.pb.h"
#include "apk/v1/tls_route.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

template <class... Messages>
std::vector<Kind> ReadKinds() {
  std::vector<Kind> kinds;
  for (const google::protobuf::Descriptor* descriptor : {Messages::descriptor()...}) {
    const v1::KindRules& rules = descriptor->options().GetExtension(v1::kind);
    Kind& kind = kinds.emplace_back();
    kind.group = rules.group();
    kind.name = descriptor->name();
    kind.plural = rules.plural();
    kind.versions.assign(rules.versions().begin(), rules.versions().end());
    kind.short_names.assign(rules.short_names().begin(), rules.short_names().end());
    kind.cluster_scoped = rules.cluster_scoped();
    kind.descriptor = descriptor;
  }
  return kinds;
}

}  // namespace

std::string Kind::ApiVersion() const {
  return group.empty() ? versions.back() : Concat(group, "/", versions.back());
}

std::string Kind::QualifiedName() const {
  const std::string singular = ToLower(name);
  return group.empty() ? singular : Concat(singular, ".", group);
}

std::unique_ptr<google::protobuf::Message> Kind::New() const {
  const google::protobuf::Message* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor);
  return std::unique_ptr<google::protobuf::Message>(prototype->New());
}

const std::vector<Kind>& AllKinds() {
  static const auto* const kinds = new std::vector<Kind>(
      ReadKinds<v1::Namespace, v1::Service, v1::Secret, v1::ConfigMap, v1::EndpointSlice,
                v1::GatewayClass, v1::Gateway, v1::ListenerSet, v1::HTTPRoute, v1::GRPCRoute,
                v1::TLSRoute, v1::BackendTLSPolicy, v1::ReferenceGrant, v1::Backend, v1::API,
                v1::Authentication, v1::TokenIssuer>());
  return *kinds;
}

const Kind* FindKind(std::string_view group, std::string_view name) {
  for (const Kind& kind : AllKinds()) {
    if (kind.group == group && kind.name == name) return &kind;
  }
  return nullptr;
}

const Kind* FindKind(const google::protobuf::Descriptor* descriptor) {
  for (const Kind& kind : AllKinds()) {
    if (kind.descriptor == descriptor) return &kind;
  }
  return nullptr;
}

const Kind* FindKindByWord(std::string_view word) {
  const std::string lower = ToLower(word);
  const size_t dot = lower.find('.');
  const std::string_view noun = std::string_view(lower).substr(0, dot);
  const std::string_view group =
      dot == std::string::npos ? std::string_view() : std::string_view(lower).substr(dot + 1);
  for (const Kind& kind : AllKinds()) {
    if (dot != std::string::npos && kind.group != group) continue;
    if (noun == ToLower(kind.name) || noun == kind.plural) return &kind;
    for (const std::string& short_name : kind.short_names) {
      if (noun == short_name) return &kind;
    }
  }
  return nullptr;
}

GroupVersion ParseApiVersion(std::string_view api_version) {
  const size_t slash = api_version.rfind('/');
  if (slash == std::string_view::npos) return {.group = "", .version = std::string(api_version)};
  return {.group = std::string(api_version.substr(0, slash)),
          .version = std::string(api_version.substr(slash + 1))};
}

}  // namespace apk

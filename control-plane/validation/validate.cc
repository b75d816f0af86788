// Metadata, fields, then the kind's own rules; and the normal form.
#include "control-plane/validation/validate.h"

#include <algorithm>

#include "apk/v1/core.pb.h"
#include "common/labels.h"
#include "common/strings.h"
#include "control-plane/resources/kind_registry.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/validation/field_rules.h"
#include "control-plane/validation/kind_rules.h"
#include "control-plane/validation/names.h"

namespace apk {
namespace {

using google::protobuf::Message;

std::string TextOf(const Message& object, const char* name) {
  return object.GetReflection()->GetString(object, object.GetDescriptor()->FindFieldByName(name));
}

void CheckName(const Kind& kind, const std::string& name, IssueList& issues) {
  if (name.empty()) {
    issues.Error("metadata.name", "is required");
    return;
  }
  const bool is_label = kind.name == "Namespace" || kind.name == "Service";
  const bool valid = kind.name == "Service" ? IsServiceName(name)
                     : is_label             ? IsDnsLabel(name)
                                            : IsDnsSubdomain(name);
  if (!valid) {
    issues.Error("metadata.name", Concat("\"", name, "\" is no valid name"),
                 Concat("lower-case letters, digits and '-'", is_label ? "" : " or '.'",
                        ", at most ", is_label ? "63" : "253", " characters"));
  }
}

void CheckMetadata(const Kind& kind, const v1::ObjectMeta& metadata, IssueList& issues) {
  if (!metadata.generate_name().empty() && metadata.name().empty()) {
    issues.Error("metadata.generateName", "is not supported", "set metadata.name");
  } else {
    CheckName(kind, metadata.name(), issues);
  }
  if (kind.cluster_scoped && !metadata.namespace_().empty()) {
    issues.Error("metadata.namespace",
                 Concat("must not be set: a ", kind.name, " has no namespace"));
  } else if (!metadata.namespace_().empty() && !IsDnsLabel(metadata.namespace_())) {
    issues.Error("metadata.namespace",
                 Concat("\"", metadata.namespace_(), "\" is no valid namespace"));
  }
  for (const auto& [key, value] : metadata.labels()) {
    const std::string path = Concat("metadata.labels.", key);
    if (!IsQualifiedName(key)) {
      issues.Error(path, "is no valid label key", "[prefix/]name, for example app.example/name");
    } else if (!IsLabelValue(value)) {
      issues.Error(path, Concat("\"", value, "\" is no valid label value"));
    }
  }
  for (const auto& [key, value] : metadata.annotations()) {
    if (!IsQualifiedName(key)) {
      issues.Error(Concat("metadata.annotations.", key), "is no valid annotation key",
                   "[prefix/]name, for example app.example/name");
    }
  }
}

void CheckKind(const Message& object, IssueList& issues) {
  const std::string& name = object.GetDescriptor()->name();
  if (name == "Gateway") CheckGateway(static_cast<const v1::Gateway&>(object), issues);
  if (name == "ListenerSet") CheckListenerSet(static_cast<const v1::ListenerSet&>(object), issues);
  if (name == "GRPCRoute") CheckGrpcRoute(static_cast<const v1::GRPCRoute&>(object), issues);
  if (name == "HTTPRoute") CheckHttpRoute(static_cast<const v1::HTTPRoute&>(object), issues);
  if (name == "TLSRoute") CheckTlsRoute(static_cast<const v1::TLSRoute&>(object), issues);
  if (name == "BackendTLSPolicy") {
    CheckBackendTlsPolicy(static_cast<const v1::BackendTLSPolicy&>(object), issues);
  }
  if (name == "Backend") CheckBackend(static_cast<const v1::Backend&>(object), issues);
  if (name == "API") CheckApi(static_cast<const v1::API&>(object), issues);
  if (name == "Authentication")
    CheckAuthentication(static_cast<const v1::Authentication&>(object), issues);
  if (name == "TokenIssuer") CheckTokenIssuer(static_cast<const v1::TokenIssuer&>(object), issues);
  if (name == "Service") CheckService(static_cast<const v1::Service&>(object), issues);
  if (name == "EndpointSlice") {
    CheckEndpointSlice(static_cast<const v1::EndpointSlice&>(object), issues);
  }
  if (name == "Secret") CheckSecret(static_cast<const v1::Secret&>(object), issues);
  if (name == "ConfigMap") CheckConfigMap(static_cast<const v1::ConfigMap&>(object), issues);
}

void NormalizeFilters(google::protobuf::RepeatedPtrField<v1::HTTPRouteFilter>& filters) {
  for (v1::HTTPRouteFilter& filter : filters) {
    if (filter.has_request_redirect() && !filter.request_redirect().has_status_code()) {
      filter.mutable_request_redirect()->set_status_code(302);
    }
  }
}

void NormalizeRoute(v1::HTTPRoute& route) {
  if (route.spec().rules().empty()) route.mutable_spec()->add_rules();
  for (v1::HTTPRouteRule& rule : *route.mutable_spec()->mutable_rules()) {
    if (rule.matches().empty()) rule.add_matches();
    for (v1::HTTPRouteMatch& match : *rule.mutable_matches()) match.mutable_path();
    NormalizeFilters(*rule.mutable_filters());
    for (v1::HTTPBackendRef& backend : *rule.mutable_backend_refs()) {
      NormalizeFilters(*backend.mutable_filters());
    }
  }
}

void NormalizeListeners(google::protobuf::RepeatedPtrField<v1::GatewayListener>& listeners) {
  for (v1::GatewayListener& listener : listeners) {
    listener.mutable_allowed_routes()->mutable_namespaces();
  }
}

void NormalizeGateway(v1::Gateway& gateway) {
  v1::GatewaySpec& spec = *gateway.mutable_spec();
  NormalizeListeners(*spec.mutable_listeners());
  if (spec.has_allowed_listeners()) spec.mutable_allowed_listeners()->mutable_namespaces();
}

void NormalizeApi(v1::API& api) {
  for (auto* const environments :
       {api.mutable_spec()->mutable_production(), api.mutable_spec()->mutable_sandbox()}) {
    for (v1::ApiEnvironment& environment : *environments) {
      environment.mutable_route_refs()->MergeFrom(environment.http_route_refs());
      environment.clear_http_route_refs();
    }
  }
}

void NormalizeSecret(v1::Secret& secret) {
  for (const auto& [key, value] : secret.string_data()) (*secret.mutable_data())[key] = value;
  secret.clear_string_data();
}

}  // namespace

std::vector<FieldIssue> Validate(const Message& object) {
  std::vector<FieldIssue> issues;
  IssueList list(issues);
  const Kind& kind = *FindKind(object.GetDescriptor());
  const GroupVersion version = ParseApiVersion(TextOf(object, "api_version"));
  const bool served =
      std::find(kind.versions.begin(), kind.versions.end(), version.version) != kind.versions.end();
  if (version.group != kind.group || !served) {
    list.Error(
        "apiVersion",
        Concat("\"", TextOf(object, "api_version"), "\" does not exist for kind ", kind.name),
        Concat("use ", kind.ApiVersion()));
    return issues;
  }
  CheckMetadata(kind, MetadataOf(object), list);
  CheckFields(object, "", version.version, issues);
  CheckKind(object, list);
  return issues;
}

void Normalize(Message& object) {
  const Kind& kind = *FindKind(object.GetDescriptor());
  if (kind.name == "HTTPRoute") NormalizeRoute(static_cast<v1::HTTPRoute&>(object));
  if (kind.name == "Gateway") NormalizeGateway(static_cast<v1::Gateway&>(object));
  if (kind.name == "ListenerSet") {
    NormalizeListeners(*static_cast<v1::ListenerSet&>(object).mutable_spec()->mutable_listeners());
  }
  if (kind.name == "API") NormalizeApi(static_cast<v1::API&>(object));
  if (kind.name == "Secret") NormalizeSecret(static_cast<v1::Secret&>(object));
  FillDefaults(object);
  const auto* const descriptor = object.GetDescriptor();
  object.GetReflection()->SetString(&object, descriptor->FindFieldByName("api_version"),
                                    kind.ApiVersion());
  object.GetReflection()->SetString(&object, descriptor->FindFieldByName("kind"), kind.name);
}

}  // namespace apk

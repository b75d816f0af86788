// Member by member.
#include "control-plane/resources/grpc_route.h"

#include "common/strings.h"

namespace apk {
namespace {

// "/package.Service/Method". The precedence of paths is then that of methods: both given, then the
// longest service, then the rest.
void FillPath(const v1::GRPCMethodMatch& method, v1::HTTPPathMatch* path) {
  const bool any_service = method.service().empty();
  const bool any_method = method.method().empty();
  path->set_type("PathPrefix");
  path->set_value("/");
  if (any_service && any_method) return;
  if (method.type() == "RegularExpression" || any_service) {
    const std::string any = "[^/]+";
    const bool exact = method.type() != "RegularExpression";  // Then it is only word characters.
    const std::string service = any_service ? any : Concat("(?:", method.service(), ")");
    const std::string name = any_method ? any
                             : exact    ? method.method()
                                        : Concat("(?:", method.method(), ")");
    path->set_type("RegularExpression");
    path->set_value(Concat("/", service, "/", name));
  } else if (any_method) {
    path->set_value(Concat("/", method.service(), "/"));
  } else {
    path->set_type("Exact");
    path->set_value(Concat("/", method.service(), "/", method.method()));
  }
}

void FillFilter(const v1::GRPCRouteFilter& from, v1::HTTPRouteFilter* filter) {
  filter->set_type(from.type());
  if (from.has_request_header_modifier()) {
    *filter->mutable_request_header_modifier() = from.request_header_modifier();
  }
  if (from.has_response_header_modifier()) {
    *filter->mutable_response_header_modifier() = from.response_header_modifier();
  }
  if (from.has_request_mirror()) *filter->mutable_request_mirror() = from.request_mirror();
  if (from.has_extension_ref()) *filter->mutable_extension_ref() = from.extension_ref();
}

void FillBackend(const v1::GRPCBackendRef& from, v1::HTTPBackendRef* backend) {
  if (from.has_group()) backend->set_group(from.group());
  if (from.has_kind()) backend->set_kind(from.kind());
  backend->set_name(from.name());
  if (from.has_namespace_()) backend->set_namespace_(from.namespace_());
  if (from.has_port()) backend->set_port(from.port());
  if (from.has_weight()) backend->set_weight(from.weight());
  for (const v1::GRPCRouteFilter& filter : from.filters()) {
    FillFilter(filter, backend->add_filters());
  }
}

void FillRule(const v1::GRPCRouteRule& from, v1::HTTPRouteRule* rule) {
  if (from.has_name()) rule->set_name(from.name());
  for (const v1::GRPCRouteMatch& match : from.matches()) {
    v1::HTTPRouteMatch* const entry = rule->add_matches();
    FillPath(match.method(), entry->mutable_path());
    *entry->mutable_headers() = match.headers();
  }
  for (const v1::GRPCRouteFilter& filter : from.filters()) FillFilter(filter, rule->add_filters());
  for (const v1::GRPCBackendRef& backend : from.backend_refs()) {
    FillBackend(backend, rule->add_backend_refs());
  }
}

}  // namespace

v1::HTTPRoute AsHttpRoute(const v1::GRPCRoute& route) {
  v1::HTTPRoute result;
  result.set_api_version(route.api_version());
  result.set_kind("GRPCRoute");
  *result.mutable_metadata() = route.metadata();
  *result.mutable_spec()->mutable_parent_refs() = route.spec().parent_refs();
  *result.mutable_spec()->mutable_hostnames() = route.spec().hostnames();
  for (const v1::GRPCRouteRule& rule : route.spec().rules()) {
    FillRule(rule, result.mutable_spec()->add_rules());
  }
  *result.mutable_status() = route.status();
  return result;
}

}  // namespace apk

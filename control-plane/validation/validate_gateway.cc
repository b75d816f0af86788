// Gateways: what listeners and addresses must look like.
#include <arpa/inet.h>

#include "common/strings.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {
namespace {

bool IsAddress(const std::string& text) {
  in6_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

void CheckListener(const v1::GatewayListener& listener, const std::string& path,
                   IssueList& issues) {
  const std::string& protocol = listener.protocol();
  if ((protocol == "TCP" || protocol == "UDP") && listener.has_hostname()) {
    issues.Error(path + ".hostname", Concat("must not be set for protocol ", protocol));
  }
  const v1::RouteNamespaces& namespaces = listener.allowed_routes().namespaces();
  if (namespaces.from() == "Selector" && !namespaces.has_selector()) {
    issues.Error(path + ".allowedRoutes.namespaces.selector", "is required where from is Selector");
  }
}

}  // namespace

void CheckGateway(const v1::Gateway& gateway, IssueList& issues) {
  const v1::GatewaySpec& spec = gateway.spec();
  for (int i = 0; i < spec.listeners_size(); ++i) {
    CheckListener(spec.listeners(i), Concat("spec.listeners[", std::to_string(i), "]"), issues);
  }
  CheckGatewayTls(gateway, issues);
  for (int i = 0; i < spec.addresses_size(); ++i) {
    const v1::GatewaySpecAddress& address = spec.addresses(i);
    const bool is_ip = !address.has_type() || address.type() == "IPAddress";
    if (is_ip && !address.value().empty() && !IsAddress(address.value())) {
      issues.Error(Concat("spec.addresses[", std::to_string(i), "].value"),
                   Concat("\"", address.value(), "\" is no IP address"));
    }
  }
}

}  // namespace apk

// Gateways and ListenerSets: what listeners and addresses must look like.
#include <arpa/inet.h>

#include <map>
#include <tuple>

#include "common/strings.h"
#include "control-plane/resources/agent_selector.h"
#include "control-plane/validation/field_rules.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {
namespace {

using Listeners = google::protobuf::RepeatedPtrField<v1::GatewayListener>;

constexpr size_t kAnnotationSizeMax = 4096;  // Of a value.
constexpr char kHostname[] =
    "^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
constexpr char kMetadataKey[] =
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$";
constexpr char kLabelValue[] = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

bool IsAddress(const std::string& text) {
  in6_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

std::string Item(std::string_view list, int index) {
  return Concat(list, "[", std::to_string(index), "]");
}

void CheckSelector(const v1::LabelSelector& selector, const std::string& path, IssueList& issues) {
  for (int i = 0; i < selector.match_expressions_size(); ++i) {
    const v1::LabelSelectorRequirement& requirement = selector.match_expressions(i);
    const std::string values = Item(path + ".matchExpressions", i) + ".values";
    const bool needs_values = requirement.operator_() == "In" || requirement.operator_() == "NotIn";
    if (needs_values && requirement.values().empty()) {
      issues.Error(values, Concat("is required for operator ", requirement.operator_()));
    } else if (!needs_values && !requirement.values().empty()) {
      issues.Error(values, Concat("must not be set for operator ", requirement.operator_()));
    }
  }
}

// `namespaces` is of either message that has `from` and `selector`.
template <class Namespaces>
void CheckNamespaces(const Namespaces& namespaces, const std::string& path, IssueList& issues) {
  if (namespaces.from() == "Selector" && !namespaces.has_selector()) {
    issues.Error(path + ".selector", "is required where from is Selector");
  }
  CheckSelector(namespaces.selector(), path + ".selector", issues);
}

void CheckListeners(const Listeners& listeners, IssueList& issues) {
  std::map<std::tuple<int, std::string, std::string>, int> seen;
  for (int i = 0; i < listeners.size(); ++i) {
    const v1::GatewayListener& listener = listeners[i];
    const std::string path = Item("spec.listeners", i);
    CheckListenerTls(listener, path + ".tls", issues);
    if ((listener.protocol() == "TCP" || listener.protocol() == "UDP") && listener.has_hostname()) {
      issues.Error(path + ".hostname",
                   Concat("must not be set for protocol ", listener.protocol()));
    }
    CheckNamespaces(listener.allowed_routes().namespaces(), path + ".allowedRoutes.namespaces",
                    issues);
    const auto [first, is_new] =
        seen.try_emplace({listener.port(), listener.protocol(), listener.hostname()}, i);
    if (!is_new) {
      issues.Error(path,
                   Concat("has the same port, protocol and hostname as item ",
                          std::to_string(first->second)),
                   "listeners must differ in one of them");
    }
  }
}

void CheckAddresses(const v1::GatewaySpec& spec, IssueList& issues) {
  std::map<std::pair<std::string, std::string>, int> seen;
  for (int i = 0; i < spec.addresses_size(); ++i) {
    const v1::GatewaySpecAddress& address = spec.addresses(i);
    if (!address.has_value()) continue;
    const std::string type = address.has_type() ? address.type() : "IPAddress";
    const std::string path = Item("spec.addresses", i) + ".value";
    // An empty value is one that is left open.
    if (type == "IPAddress" && !address.value().empty() && !IsAddress(address.value())) {
      issues.Error(path, Concat("\"", address.value(), "\" is no IP address"));
    }
    if (type == "Hostname" && !MatchesPattern(kHostname, address.value())) {
      issues.Error(path, Concat("\"", address.value(), "\" is no hostname"));
    }
    if (type != "IPAddress" && type != "Hostname") continue;
    const auto [first, is_new] = seen.try_emplace({type, address.value()}, i);
    if (!is_new) {
      issues.Error(path, Concat("is the same as that of item ", std::to_string(first->second)),
                   "each address may stand once");
    }
  }
}

void CheckMetadataKey(const std::string& key, const std::string& path, IssueList& issues) {
  const size_t slash = key.find('/');
  const size_t prefix_size = slash == std::string::npos ? 0 : slash;
  if (!MatchesPattern(kMetadataKey, key) || prefix_size >= 253) {
    issues.Error(path, "is no valid key", "[prefix/]name, for example app.example/name");
  }
}

void CheckInfrastructure(const v1::GatewayInfrastructure& infrastructure, IssueList& issues) {
  for (const auto& [key, value] : infrastructure.labels()) {
    const std::string path = Concat("spec.infrastructure.labels.", key);
    CheckMetadataKey(key, path, issues);
    if (value.size() > 63 || !MatchesPattern(kLabelValue, value)) {
      issues.Error(path, Concat("\"", value, "\" is no valid label value"));
    }
  }
  for (const auto& [key, value] : infrastructure.annotations()) {
    const std::string path = Concat("spec.infrastructure.annotations.", key);
    CheckMetadataKey(key, path, issues);
    if (value.size() > kAnnotationSizeMax) issues.Error(path, "has more than 4096 characters");
  }
}

}  // namespace

void CheckGateway(const v1::Gateway& gateway, IssueList& issues) {
  const v1::GatewaySpec& spec = gateway.spec();
  if (const auto agents = AgentSelectorOf(gateway.metadata()); !agents.ok()) {
    issues.Error(Concat("metadata.annotations.", kAgentSelectorAnnotation),
                 std::string(agents.status().message()),
                 "write it as for kubectl -l, for example region=eu,tier in (edge,test)");
  }
  CheckListeners(spec.listeners(), issues);
  CheckGatewayTls(gateway, issues);
  CheckAddresses(spec, issues);
  CheckInfrastructure(spec.infrastructure(), issues);
  CheckNamespaces(spec.allowed_listeners().namespaces(), "spec.allowedListeners.namespaces",
                  issues);
}

void CheckListenerSet(const v1::ListenerSet& set, IssueList& issues) {
  CheckListeners(set.spec().listeners(), issues);
}

}  // namespace apk

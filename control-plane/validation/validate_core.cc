// Service, EndpointSlice, Secret and ConfigMap: the rules of the Kubernetes API server that concern
// a gateway, but for one: addresses on loopback are welcome.
#include <map>
#include <set>

#include "common/labels.h"
#include "common/strings.h"
#include "control-plane/validation/kind_rules.h"
#include "control-plane/validation/names.h"

namespace apk {
namespace {

constexpr size_t kDataBytesMax = 1024 * 1024;  // Of one Secret or ConfigMap.

std::string Item(std::string_view list, int index) {
  return Concat(list, "[", std::to_string(index), "]");
}

void CheckTargetPort(const std::string& target, const std::string& path, IssueList& issues) {
  if (target.empty()) return;
  const bool number = target.find_first_not_of("0123456789") == std::string::npos;
  if (number && (target.size() > 5 || std::stoi(target) < 1 || std::stoi(target) > 65535)) {
    issues.Error(path, Concat(target, " is out of range: must be between 1 and 65535"));
  } else if (!number && !IsPortName(target)) {
    issues.Error(path, Concat("\"", target, "\" is no port name"),
                 "a number, or lower-case letters, digits and '-', at most 15 characters");
  }
}

void CheckPortName(const std::string& name, const std::string& path, IssueList& issues) {
  if (name.empty() || IsDnsLabel(name)) return;
  issues.Error(path, Concat("\"", name, "\" is no port name"),
               "lower-case letters, digits and '-', at most 63 characters");
}

void CheckAppProtocol(const std::string& protocol, const std::string& path, IssueList& issues) {
  if (protocol.empty() || IsQualifiedName(protocol)) return;
  issues.Error(path, Concat("\"", protocol, "\" is malformed"),
               "a name such as http, or [prefix/]name such as kubernetes.io/h2c");
}

// Names are unique; `first` maps them to the item they stood in first.
void CheckUniqueName(const std::string& name, int index, const std::string& path,
                     std::map<std::string, int>& first, IssueList& issues) {
  const auto [found, is_new] = first.emplace(name, index);
  if (is_new) return;
  issues.Error(path + ".name",
               Concat(name.empty() ? "no name" : Concat("\"", name, "\""),
                      " is used twice, first by item ", std::to_string(found->second)),
               "ports are told apart by their names");
}

void CheckServicePorts(const v1::ServiceSpec& spec, IssueList& issues) {
  std::map<std::string, int> names;
  std::set<std::pair<std::string, int>> numbers;
  for (int i = 0; i < spec.ports_size(); ++i) {
    const v1::ServicePort& port = spec.ports(i);
    const std::string path = Item("spec.ports", i);
    CheckPortName(port.name(), path + ".name", issues);
    if (spec.ports_size() > 1 && port.name().empty()) {
      issues.Error(path + ".name", "is required where a Service has several ports");
    } else if (!port.name().empty()) {
      CheckUniqueName(port.name(), i, path, names, issues);
    }
    const std::string protocol = port.has_protocol() ? port.protocol() : "TCP";
    if (port.has_port() && !numbers.emplace(protocol, port.port()).second) {
      issues.Error(path, Concat(protocol, " port ", std::to_string(port.port()),
                                " stands in the list twice"));
    }
    CheckTargetPort(port.target_port(), path + ".targetPort", issues);
    CheckAppProtocol(port.app_protocol(), path + ".appProtocol", issues);
  }
}

void CheckAddress(const std::string& type, const std::string& address, const std::string& path,
                  IssueList& issues) {
  if (type == "IPv4" && !IsIpv4(address)) {
    issues.Error(path, Concat("\"", address, "\" is no IPv4 address"),
                 "addressType is IPv4, for example 10.0.0.1");
  } else if (type == "IPv6" && !IsIpv6(address)) {
    issues.Error(path, Concat("\"", address, "\" is no IPv6 address"),
                 "addressType is IPv6, for example 2001:db8::1");
  } else if (type == "FQDN" && (!IsDnsSubdomain(address) || IsIpv4(address))) {
    issues.Error(path, Concat("\"", address, "\" is no DNS name"),
                 "addressType is FQDN, for example a.example.com");
  }
}

template <class Map>
size_t CheckDataKeys(const Map& data, const char* field, IssueList& issues) {
  size_t bytes = 0;
  for (const auto& [key, value] : data) {
    bytes += value.size();
    if (IsDataKey(key)) continue;
    issues.Error(Concat(field, ".", key), "is no valid key",
                 "letters, digits, '-', '_' and '.', at most 253 characters");
  }
  return bytes;
}

void CheckDataSize(size_t bytes, IssueList& issues) {
  if (bytes <= kDataBytesMax) return;
  issues.Error("data", Concat("has ", std::to_string(bytes), " bytes, at most ",
                              std::to_string(kDataBytesMax), " are allowed"));
}

bool HasKey(const v1::Secret& secret, const std::string& key) {
  return secret.data().contains(key) || secret.string_data().contains(key);
}

void RequireKey(const v1::Secret& secret, const std::string& key, IssueList& issues) {
  if (HasKey(secret, key)) return;
  issues.Error(Concat("data.", key), Concat("is required in a Secret of type ", secret.type()));
}

}  // namespace

void CheckService(const v1::Service& service, IssueList& issues) {
  const v1::ServiceSpec& spec = service.spec();
  const bool external = spec.type() == "ExternalName";
  if (spec.ports().empty() && !external && spec.cluster_ip() != "None") {
    issues.Error("spec.ports", "is required",
                 "a Service without ports is headless (clusterIP: None) or an ExternalName");
  }
  if (external && !IsDnsSubdomain(ToLower(spec.external_name()))) {
    issues.Error("spec.externalName",
                 spec.external_name().empty()
                     ? "is required where type is ExternalName"
                     : Concat("\"", spec.external_name(), "\" is no DNS name"),
                 "for example backend.example.com");
  }
  const std::string& ip = spec.cluster_ip();
  if (!ip.empty() && ip != "None" && !IsIpv4(ip) && !IsIpv6(ip)) {
    issues.Error("spec.clusterIP", Concat("\"", ip, "\" is no IP address"),
                 "leave it out, or None for a headless Service");
  } else if (external && !ip.empty() && ip != "None") {
    issues.Error("spec.clusterIP", "must not be set where type is ExternalName");
  }
  for (const auto& [key, value] : spec.selector()) {
    if (!IsQualifiedName(key) || !IsLabelValue(value)) {
      issues.Error(Concat("spec.selector.", key), "is no valid label");
    }
  }
  CheckServicePorts(spec, issues);
}

void CheckEndpointSlice(const v1::EndpointSlice& slice, IssueList& issues) {
  for (int i = 0; i < slice.endpoints_size(); ++i) {
    const v1::SliceEndpoint& endpoint = slice.endpoints(i);
    const std::string path = Item("endpoints", i);
    for (int j = 0; j < endpoint.addresses_size(); ++j) {
      CheckAddress(slice.address_type(), endpoint.addresses(j), Item(path + ".addresses", j),
                   issues);
    }
    if (!endpoint.hostname().empty() && !IsDnsLabel(endpoint.hostname())) {
      issues.Error(path + ".hostname", Concat("\"", endpoint.hostname(), "\" is no DNS label"));
    }
  }
  std::map<std::string, int> names;
  for (int i = 0; i < slice.ports_size(); ++i) {
    const v1::SlicePort& port = slice.ports(i);
    const std::string path = Item("ports", i);
    CheckPortName(port.name(), path + ".name", issues);
    CheckUniqueName(port.name(), i, path, names, issues);
    CheckAppProtocol(port.app_protocol(), path + ".appProtocol", issues);
  }
}

void CheckSecret(const v1::Secret& secret, IssueList& issues) {
  const size_t bytes = CheckDataKeys(secret.data(), "data", issues) +
                       CheckDataKeys(secret.string_data(), "stringData", issues);
  CheckDataSize(bytes, issues);
  if (secret.type() == "kubernetes.io/tls") {
    RequireKey(secret, "tls.crt", issues);
    RequireKey(secret, "tls.key", issues);
  } else if (secret.type() == "kubernetes.io/dockerconfigjson") {
    RequireKey(secret, ".dockerconfigjson", issues);
  } else if (secret.type() == "kubernetes.io/ssh-auth") {
    RequireKey(secret, "ssh-privatekey", issues);
  } else if (secret.type() == "kubernetes.io/basic-auth" && !HasKey(secret, "username") &&
             !HasKey(secret, "password")) {
    issues.Error("data", "needs username or password in a Secret of type kubernetes.io/basic-auth");
  }
}

void CheckConfigMap(const v1::ConfigMap& map, IssueList& issues) {
  const size_t bytes = CheckDataKeys(map.data(), "data", issues) +
                       CheckDataKeys(map.binary_data(), "binaryData", issues);
  CheckDataSize(bytes, issues);
  for (const auto& [key, value] : map.binary_data()) {
    if (map.data().contains(key)) {
      issues.Error(Concat("binaryData.", key), "stands in data, too", "keep one of them");
    }
  }
}

}  // namespace apk

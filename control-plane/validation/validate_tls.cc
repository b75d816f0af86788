// TLS: what Gateways, TLSRoutes and BackendTLSPolicies must look like.
#include <arpa/inet.h>

#include <map>
#include <set>

#include "common/strings.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {
namespace {

constexpr size_t kOptionBytesMax = 4096;

std::string At(const std::string& path, int index) {
  return Concat(path, "[", std::to_string(index), "]");
}

void CheckOptions(const google::protobuf::Map<std::string, std::string>& options,
                  const std::string& path, IssueList& issues) {
  const std::map<std::string, std::string> sorted(options.begin(), options.end());
  for (const auto& [key, value] : sorted) {
    if (value.size() <= kOptionBytesMax) continue;
    issues.Error(Concat(path, ".", key), Concat("has ", std::to_string(value.size()),
                                                " characters, at most 4096 are allowed"));
  }
}

// The CEL rules of parentRefs: to name one parent twice takes two sectionNames.
void CheckParents(const google::protobuf::RepeatedPtrField<v1::ParentReference>& parents,
                  IssueList& issues) {
  std::map<std::string, std::map<std::string, int>> sections;
  for (int i = 0; i < parents.size(); ++i) {
    const v1::ParentReference& parent = parents.Get(i);
    auto& seen = sections[Concat(parent.group(), "/", parent.kind(), "/", parent.namespace_(), "/",
                                 parent.name())];
    const bool mixed = !seen.empty() && (seen.contains("") || parent.section_name().empty());
    const auto [first, is_new] = seen.emplace(parent.section_name(), i);
    if (is_new && !mixed) continue;
    const int other = is_new ? seen.begin()->second : first->second;
    issues.Error(At("spec.parentRefs", i) + ".sectionName",
                 Concat("must tell it apart from item ", std::to_string(other),
                        ", which names the same parent"));
  }
}

bool IsAddress(const std::string& text) {
  in6_addr parsed;
  return inet_pton(AF_INET, text.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

// The same for targetRefs; and a target of another kind than Service has no effect.
void CheckTargets(const v1::BackendTLSPolicySpec& spec, IssueList& issues) {
  std::map<std::string, std::map<std::string, int>> sections;
  for (int i = 0; i < spec.target_refs_size(); ++i) {
    const v1::PolicyTargetSection& target = spec.target_refs(i);
    const std::string path = At("spec.targetRefs", i);
    if (!target.group().empty() || target.kind() != "Service") {
      issues.Warning(path,
                     Concat("kind ", target.kind(), " of group \"", target.group(),
                            "\" is no target that has an effect here"),
                     "name a Service: group \"\" and kind Service");
    }
    auto& seen = sections[Concat(target.group(), "/", target.kind(), "/", target.name())];
    const bool mixed = !seen.empty() && (seen.contains("") || target.section_name().empty());
    const auto [first, is_new] = seen.emplace(target.section_name(), i);
    if (is_new && !mixed) continue;
    const int other = is_new ? seen.begin()->second : first->second;
    issues.Error(path + ".sectionName",
                 Concat("must tell it apart from item ", std::to_string(other),
                        ", which names the same target"));
  }
}

void CheckSubjectAltName(const v1::SubjectAltName& name, const std::string& path,
                         IssueList& issues) {
  if (name.type() == "Hostname" && !name.has_hostname()) {
    issues.Error(path + ".hostname", "is required where type is Hostname");
  }
  if (name.type() == "URI" && !name.has_uri()) {
    issues.Error(path + ".uri", "is required where type is URI");
  }
  if (name.type() == "URI" && name.has_hostname()) {
    issues.Error(path + ".hostname", "must not be set where type is URI");
  }
  if (name.type() == "Hostname" && name.has_uri()) {
    issues.Error(path + ".uri", "must not be set where type is Hostname");
  }
}

}  // namespace

void CheckListenerTls(const v1::GatewayListener& listener, const std::string& path,
                      IssueList& issues) {
  const std::string& protocol = listener.protocol();
  const v1::ListenerTls& tls = listener.tls();
  const bool passthrough = tls.mode() == "Passthrough";
  CheckOptions(tls.options(), path + ".options", issues);
  if (protocol == "HTTP" || protocol == "TCP" || protocol == "UDP") {
    if (listener.has_tls()) {
      issues.Error(path, Concat("must not be set for protocol ", protocol),
                   "remove it, or use protocol HTTPS");
    }
    return;
  }
  if (protocol == "TLS" && !listener.has_tls()) {
    issues.Error(path, "is required for protocol TLS",
                 "set mode: Terminate with certificateRefs, or mode: Passthrough");
    return;
  }
  if (protocol == "HTTPS" && passthrough) {
    issues.Error(path + ".mode", "must be Terminate for protocol HTTPS",
                 "for Passthrough use protocol TLS and a TLSRoute");
    return;
  }
  const bool terminates = listener.has_tls() && !passthrough;
  if (terminates && tls.certificate_refs().empty() && tls.options().empty()) {
    issues.Error(path + ".certificateRefs", Concat("is required for protocol ", protocol),
                 "name a Secret of type kubernetes.io/tls");
  }
}

void CheckGatewayTls(const v1::Gateway& gateway, IssueList& issues) {
  const v1::GatewaySpec& spec = gateway.spec();
  const v1::GatewayFrontendTls& frontend = spec.tls().frontend();
  std::map<int, int> ports;
  for (int i = 0; i < frontend.per_port_size(); ++i) {
    const auto [first, is_new] = ports.emplace(frontend.per_port(i).port(), i);
    if (is_new) continue;
    issues.Error(At("spec.tls.frontend.perPort", i) + ".port",
                 Concat("is the same as that of item ", std::to_string(first->second)),
                 "join the two");
  }
}

void CheckTlsRoute(const v1::TLSRoute& route, IssueList& issues) {
  const v1::TLSRouteSpec& spec = route.spec();
  CheckParents(spec.parent_refs(), issues);
  for (int i = 0; i < spec.hostnames_size(); ++i) {
    if (IsAddress(spec.hostnames(i))) {
      issues.Error(At("spec.hostnames", i),
                   Concat("\"", spec.hostnames(i), "\" is an IP address, no name"),
                   "clients send names only (SNI, RFC 6066)");
    }
  }
  for (int i = 0; i < spec.rules_size(); ++i) {
    for (int j = 0; j < spec.rules(i).backend_refs_size(); ++j) {
      CheckBackendReference(spec.rules(i).backend_refs(j),
                            At(At("spec.rules", i) + ".backendRefs", j), issues);
    }
  }
  if (spec.parent_refs().empty()) {
    issues.Warning("spec.parentRefs", "is empty: the route attaches to no Gateway",
                   "name a Gateway");
  }
}

void CheckBackendTlsPolicy(const v1::BackendTLSPolicy& policy, IssueList& issues) {
  const v1::BackendTLSPolicyValidation& validation = policy.spec().validation();
  CheckTargets(policy.spec(), issues);
  CheckOptions(policy.spec().options(), "spec.options", issues);
  const bool refs = !validation.ca_certificate_refs().empty();
  const bool well_known = !validation.well_known_ca_certificates().empty();
  if (policy.spec().has_validation() && refs == well_known) {
    issues.Error("spec.validation",
                 refs ? "caCertificateRefs and wellKnownCACertificates are both set"
                      : "needs caCertificateRefs or wellKnownCACertificates",
                 refs ? "keep one"
                      : "name a ConfigMap with a key ca.crt, or set wellKnownCACertificates: "
                        "System");
  }
  for (int i = 0; i < validation.subject_alt_names_size(); ++i) {
    CheckSubjectAltName(validation.subject_alt_names(i), At("spec.validation.subjectAltNames", i),
                        issues);
  }
}

}  // namespace apk

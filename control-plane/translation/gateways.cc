// Each listener on its own first, then against the others.
#include "control-plane/translation/gateways.h"

#include <algorithm>
#include <map>
#include <set>

#include "apk/v1/core.pb.h"
#include "common/strings.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/certificate_check.h"
#include "control-plane/translation/reference_grants.h"

namespace apk {
namespace {

bool IsTls(const v1::GatewayListener& listener) { return listener.protocol() == "HTTPS"; }

std::string ListenerName(const v1::Gateway& gateway, const v1::GatewayListener& listener) {
  return Concat("listener/", gateway.metadata().namespace_(), "/", gateway.metadata().name(), "/",
                listener.name());
}

// Kinds of routes that a protocol can carry; none: it is not served.
std::vector<std::string> KindsOf(const std::string& protocol) {
  if (protocol == "HTTP" || protocol == "HTTPS") return {"HTTPRoute"};
  return {};
}

void CheckKinds(ListenerState& state) {
  const auto& kinds = state.spec->allowed_routes().kinds();
  const std::vector<std::string> known = KindsOf(state.spec->protocol());
  if (kinds.empty()) {
    state.kinds = known;
    return;
  }
  for (const v1::RouteGroupKind& kind : kinds) {
    const bool fits = kind.group() == kGatewayGroup &&
                      std::find(known.begin(), known.end(), kind.kind()) != known.end();
    if (!fits) {
      state.resolved.Add("InvalidRouteKinds",
                         Concat("kind ", kind.kind(), " of group \"", kind.group(),
                                "\" can't attach here; ", Join(known, " and "), " can"));
    } else if (!state.Admits(kind.kind())) {
      state.kinds.push_back(kind.kind());
    }
  }
}

// One certificateRef: puts the certificate into the assembly, or says what is wrong.
void ResolveCertificate(const ResourceSet& resources, const v1::Gateway& gateway,
                        const v1::SecretObjectReference& reference, ListenerState& state,
                        SnapshotAssembly& assembly) {
  const std::string namespace_name =
      reference.namespace_().empty() ? gateway.metadata().namespace_() : reference.namespace_();
  const std::string where = Concat("Secret ", namespace_name, "/", reference.name());
  if (!reference.group().empty() || (reference.has_kind() && reference.kind() != "Secret")) {
    state.certificate.Add(
        "InvalidCertificateRef",
        Concat("certificateRefs: kind ", reference.kind(), " can't be used, Secret can"));
    return;
  }
  const ReferenceFrom from{kGatewayGroup, "Gateway", gateway.metadata().namespace_()};
  const ResourceKey to{
      .group = "", .kind = "Secret", .namespace_name = namespace_name, .name = reference.name()};
  if (!ReferenceAllowed(resources, from, to)) {
    state.certificate.Add("RefNotPermitted",
                          Concat(where, ": no ReferenceGrant in namespace ", namespace_name,
                                 " permits it to Gateways of ", gateway.metadata().namespace_()));
    return;
  }
  const auto* const secret = resources.Find<v1::Secret>(namespace_name, reference.name());
  if (secret == nullptr) {
    state.certificate.Add("InvalidCertificateRef", Concat(where, " not found"));
    return;
  }
  const auto chain = secret->data().find("tls.crt");
  const auto key = secret->data().find("tls.key");
  if (chain == secret->data().end() || key == secret->data().end()) {
    state.certificate.Add("InvalidCertificateRef", Concat(where, " lacks tls.crt or tls.key"));
    return;
  }
  if (const std::string problem = CheckKeyPair(chain->second, key->second); !problem.empty()) {
    state.certificate.Add("InvalidCertificateRef", Concat(where, ": ", problem));
    return;
  }
  const std::string name = Concat("certificate/", namespace_name, "/", reference.name());
  v1::CertificateConfig& config = *assembly.Resource(name).mutable_certificate();
  config.set_certificate_chain_pem(chain->second);
  config.set_private_key_pem(key->second);
  state.certificates.push_back(name);
}

ListenerState EvaluateListener(const ResourceSet& resources, const v1::Gateway& gateway,
                               const v1::GatewayListener& listener,
                               SnapshotAssembly& certificates) {
  ListenerState state;
  state.spec = &listener;
  state.name = ListenerName(gateway, listener);
  state.hostname = ToLower(listener.hostname());
  if (KindsOf(listener.protocol()).empty()) {
    state.accepted.Add("UnsupportedProtocol", Concat("protocol ", listener.protocol(),
                                                     " is not served; HTTP and HTTPS are"));
    return state;
  }
  CheckKinds(state);
  if (!IsTls(listener)) return state;
  if (listener.tls().mode() == "Passthrough") {
    state.accepted.Add("UnsupportedValue", "tls.mode Passthrough needs protocol TLS");
    return state;
  }
  if (listener.tls().certificate_refs().empty()) {
    state.certificate.Add("InvalidCertificateRef", "tls.certificateRefs is empty");
  }
  for (const v1::SecretObjectReference& reference : listener.tls().certificate_refs()) {
    ResolveCertificate(resources, gateway, reference, state, certificates);
  }
  if (!state.certificate.empty()) {
    state.resolved.Add(state.certificate.reason(), state.certificate.message());
  }
  return state;
}

// Gateway API: listeners of one Gateway that can't be told apart are all in conflict.
void FindConflictsWithin(GatewayState& state) {
  for (ListenerState& a : state.listeners) {
    for (const ListenerState& b : state.listeners) {
      if (&a == &b || !a.accepted.empty() || !b.accepted.empty()) continue;
      if (a.spec->port() != b.spec->port()) continue;
      if (IsTls(*a.spec) != IsTls(*b.spec)) {
        a.conflicted.Add("ProtocolConflict", Concat("listener ", b.spec->name(),
                                                    " has the same port and another protocol"));
      } else if (a.hostname == b.hostname) {
        a.conflicted.Add("HostnameConflict",
                         Concat("listener ", b.spec->name(), " has the same port and hostname"));
      }
    }
  }
}

// What older Gateways took on an address and port.
using Taken = std::map<std::pair<std::string, int>, std::vector<std::pair<std::string, bool>>>;

// Across Gateways the older one wins.
void FindConflictsAcross(GatewayState& state, Taken& taken) {
  std::vector<std::string> addresses = state.addresses;
  if (addresses.empty()) addresses.emplace_back();
  Taken own;
  for (ListenerState& listener : state.listeners) {
    if (!listener.Attachable()) continue;
    for (const std::string& address : addresses) {
      const std::pair<std::string, int> place(address, listener.spec->port());
      for (const auto& [hostname, tls] : taken[place]) {
        if (tls != IsTls(*listener.spec)) {
          listener.conflicted.Add(
              "ProtocolConflict",
              "an older Gateway serves this address and port with another protocol");
        } else if (hostname == listener.hostname) {
          listener.conflicted.Add("HostnameConflict",
                                  "an older Gateway has the same address, port and hostname");
        }
      }
    }
    if (!listener.Attachable()) continue;  // What lost takes nothing from younger ones.
    for (const std::string& address : addresses) {
      own[{address, listener.spec->port()}].emplace_back(listener.hostname, IsTls(*listener.spec));
    }
  }
  for (auto& [place, listeners] : own) {
    auto& all = taken[place];
    all.insert(all.end(), listeners.begin(), listeners.end());
  }
}

void ReadAddresses(GatewayState& state) {
  for (const v1::GatewaySpecAddress& address : state.gateway->spec().addresses()) {
    if (address.has_type() && address.type() != "IPAddress") {
      state.accepted.Add("UnsupportedAddress", Concat("address type ", address.type(),
                                                      " is not supported, IPAddress is"));
    } else if (!address.value().empty() && std::find(state.addresses.begin(), state.addresses.end(),
                                                     address.value()) == state.addresses.end()) {
      state.addresses.push_back(address.value());
    }
  }
}

void PutListeners(const GatewayState& state, SnapshotAssembly& certificates,
                  SnapshotAssembly& assembly) {
  const v1::ObjectMeta& metadata = state.gateway->metadata();
  for (const ListenerState& listener : state.listeners) {
    if (!state.Serves(listener)) continue;
    v1::ListenerConfig& config = *assembly.Resource(listener.name).mutable_listener();
    config.set_gateway(Concat(metadata.namespace_(), "/", metadata.name()));
    config.set_name(listener.spec->name());
    for (const std::string& address : state.addresses) config.add_addresses(address);
    config.set_port(static_cast<uint32_t>(listener.spec->port()));
    config.set_protocol(IsTls(*listener.spec) ? v1::ListenerConfig::HTTPS
                                              : v1::ListenerConfig::HTTP);
    config.set_hostname(listener.hostname);
    for (const std::string& certificate : listener.certificates) {
      config.add_certificates(certificate);
      *assembly.Resource(certificate).mutable_certificate() =
          certificates.Resource(certificate).certificate();
    }
  }
}

}  // namespace

std::vector<std::string> OurClasses(const ResourceSet& resources) {
  std::vector<std::string> classes;
  for (const v1::GatewayClass* const gateway_class : resources.All<v1::GatewayClass>()) {
    if (gateway_class->spec().controller_name() == kControllerName) {
      classes.push_back(gateway_class->metadata().name());
    }
  }
  return classes;
}

std::vector<GatewayState> EvaluateGateways(const ResourceSet& resources,
                                           SnapshotAssembly& assembly) {
  const std::vector<std::string> classes = OurClasses(resources);
  std::vector<const v1::Gateway*> gateways = resources.All<v1::Gateway>();
  std::stable_sort(gateways.begin(), gateways.end(), OlderFirst<v1::Gateway>);
  std::vector<GatewayState> states;
  SnapshotAssembly certificates;
  Taken taken;
  for (const v1::Gateway* const gateway : gateways) {
    const std::string& class_name = gateway->spec().gateway_class_name();
    if (std::find(classes.begin(), classes.end(), class_name) == classes.end()) continue;
    GatewayState& state = states.emplace_back();
    state.gateway = gateway;
    ReadAddresses(state);
    for (const v1::GatewayListener& listener : gateway->spec().listeners()) {
      state.listeners.push_back(EvaluateListener(resources, *gateway, listener, certificates));
    }
    FindConflictsWithin(state);
    if (state.accepted.empty()) FindConflictsAcross(state, taken);
    PutListeners(state, certificates, assembly);
  }
  return states;
}

}  // namespace apk

// Each listener on its own first, then against the others.
#include "control-plane/translation/gateways.h"

#include <algorithm>
#include <set>

#include "common/strings.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/gateway_addresses.h"
#include "control-plane/translation/listener_conflicts.h"
#include "control-plane/translation/listener_sets.h"
#include "control-plane/translation/listener_tls.h"

namespace apk {
namespace {

constexpr size_t kListenersMax = 1024;  // Of a Gateway and its ListenerSets.

std::string ListenerName(const v1::Gateway& gateway, const v1::ListenerSet* set,
                         const v1::GatewayListener& listener) {
  std::string name =
      Concat("listener/", gateway.metadata().namespace_(), "/", gateway.metadata().name(), "/");
  if (set != nullptr) {
    name += Concat(set->metadata().namespace_(), "/", set->metadata().name(), "/");
  }
  return name + listener.name();
}

// Kinds of routes that a protocol can carry; none: it is not served.
std::vector<std::string> KindsOf(const std::string& protocol) {
  if (protocol == "HTTP" || protocol == "HTTPS") return {"GRPCRoute", "HTTPRoute"};
  if (protocol == "TLS") return {"TLSRoute"};
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

// `set`: that the listener stands in; nullptr: in the Gateway.
ListenerState EvaluateListener(const ResourceSet& resources, const v1::Gateway& gateway,
                               const v1::ListenerSet* set, const v1::GatewayListener& listener,
                               SnapshotAssembly& certificates) {
  ListenerState state;
  state.spec = &listener;
  state.set = set;
  state.namespace_name =
      set == nullptr ? gateway.metadata().namespace_() : set->metadata().namespace_();
  state.name = ListenerName(gateway, set, listener);
  state.hostname = ToLower(listener.hostname());
  if (KindsOf(listener.protocol()).empty()) {
    state.accepted.Add("UnsupportedProtocol", Concat("protocol ", listener.protocol(),
                                                     " is not served; HTTP, HTTPS and TLS are"));
    return state;
  }
  CheckKinds(state);
  EvaluateTls(resources, gateway, state, certificates);
  return state;
}

// The listeners of the ListenerSets that are admitted, after the Gateway's own.
void AddListenerSets(const ResourceSet& resources, GatewayState& state,
                     SnapshotAssembly& certificates) {
  for (const v1::ListenerSet* const set : ListenerSetsOf(resources, *state.gateway)) {
    ListenerSetState& added = state.listener_sets.emplace_back();
    added.set = set;
    added.accepted = CheckListenerSet(resources, state, *set);
    if (!added.accepted.empty()) continue;
    for (const v1::GatewayListener& listener : set->spec().listeners()) {
      ListenerState& entry = state.listeners.emplace_back(
          EvaluateListener(resources, *state.gateway, set, listener, certificates));
      if (state.listeners.size() <= kListenersMax) continue;
      entry.accepted.Add("TooManyListeners",
                         Concat("a Gateway and its ListenerSets can have ",
                                std::to_string(kListenersMax), " listeners at most"));
    }
  }
}

// Parameters are for other controllers: there are none that this one understands.
void CheckParameters(const ResourceSet& resources, GatewayState& state) {
  const v1::GatewaySpec& spec = state.gateway->spec();
  const auto& gateway_class = *resources.Find<v1::GatewayClass>("", spec.gateway_class_name());
  if (spec.infrastructure().has_parameters_ref()) {
    const v1::LocalParametersReference& reference = spec.infrastructure().parameters_ref();
    state.accepted.Add("InvalidParameters",
                       Concat("spec.infrastructure.parametersRef: no parameters of kind ",
                              reference.kind(), " are known here: remove it"));
  } else if (gateway_class.spec().has_parameters_ref()) {
    state.accepted.Add("InvalidParameters", Concat("GatewayClass ", spec.gateway_class_name(),
                                                   " is not accepted: see its conditions"));
  }
}

void TakeAgents(GatewayState& state) {
  absl::StatusOr<AgentSelector> agents = AgentSelectorOf(state.gateway->metadata());
  if (agents.ok()) {
    state.agents = *std::move(agents);
  } else {
    state.accepted.Add("InvalidParameters",
                       Concat("metadata.annotations.", kAgentSelectorAnnotation, ": ",
                              std::string(agents.status().message())));
  }
}

v1::ListenerConfig::Protocol ProtocolOf(const v1::GatewayListener& listener) {
  if (listener.protocol() == "HTTPS") return v1::ListenerConfig::HTTPS;
  return listener.protocol() == "TLS" ? v1::ListenerConfig::TLS : v1::ListenerConfig::HTTP;
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
    config.set_protocol(ProtocolOf(*listener.spec));
    config.set_tls_passthrough(listener.spec->protocol() == "TLS" &&
                               listener.spec->tls().mode() == "Passthrough");
    config.set_hostname(listener.hostname);
    if (listener.client_validation.has_value()) {
      *config.mutable_client_validation() = *listener.client_validation;
    }
    for (const std::string& certificate : listener.certificates) {
      config.add_certificates(certificate);
      *assembly.Resource(certificate).mutable_certificate() =
          certificates.Resource(certificate).certificate();
    }
  }
}

}  // namespace

bool GatewayState::ServesAnyOf(const v1::ListenerSet* set) const {
  return std::any_of(listeners.begin(), listeners.end(), [&](const ListenerState& listener) {
    return listener.set == set && Serves(listener);
  });
}

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
  TakenPorts taken;
  std::set<std::string> picked;
  for (const v1::Gateway* const gateway : gateways) {
    const std::string& class_name = gateway->spec().gateway_class_name();
    if (std::find(classes.begin(), classes.end(), class_name) == classes.end()) continue;
    GatewayState& state = states.emplace_back();
    state.gateway = gateway;
    CheckParameters(resources, state);
    TakeAgents(state);
    state.addresses = AddressesOf(*gateway, picked, state.accepted);
    EvaluateTls(resources, state, certificates);
    for (const v1::GatewayListener& listener : gateway->spec().listeners()) {
      state.listeners.push_back(
          EvaluateListener(resources, *gateway, nullptr, listener, certificates));
    }
    FindConflictsWithin(state);
    AddListenerSets(resources, state, certificates);
    FindConflictsBelow(state);
    if (state.accepted.empty()) FindConflictsAcross(state, taken);
    PutListeners(state, certificates, assembly);
  }
  return states;
}

}  // namespace apk

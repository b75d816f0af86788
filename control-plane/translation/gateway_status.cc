// Conditions of classes, Gateways and listeners, as the Gateway API words them.
#include <algorithm>

#include "common/strings.h"
#include "control-plane/translation/gateways.h"

namespace apk {
namespace {

constexpr const char* kSupportedFeatures[] = {
    "Gateway",
    "GatewayPort8080",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendRequestRedirect",
    "HTTPRouteBackendTimeout",
    "HTTPRouteBackendURLRewrite",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetry",
    "HTTPRouteRetryBackendTimeout",
    "HTTPRouteRetryConnectionError",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
};

void SetFromProblem(const ConditionScope& scope, std::string_view type, const Problem& problem,
                    std::string_view good_reason, std::string_view good_message,
                    Conditions* conditions) {
  if (problem.empty()) {
    SetCondition(scope, type, true, good_reason, good_message, conditions);
  } else {
    SetCondition(scope, type, false, problem.reason(), problem.message(), conditions);
  }
}

bool FailsToBind(const ListenerState& listener, const FleetReport& fleet) {
  const auto errors = fleet.listener_errors.find(listener.name);
  return errors != fleet.listener_errors.end() && !errors->second.empty();
}

// Why agents do not serve the listener; empty where all that are connected do.
Problem ProgrammedProblem(const GatewayState& state, const ListenerState& listener,
                          const FleetReport& fleet) {
  Problem problem;
  if (!state.Serves(listener)) {
    problem.Add("Invalid", "the listener is not valid: see the other conditions");
    return problem;
  }
  if (fleet.agents_connected == 0) {
    problem.Add("Pending", "no agent is connected to the control plane");
    return problem;
  }
  const auto errors = fleet.listener_errors.find(listener.name);
  if (errors == fleet.listener_errors.end()) return problem;
  for (const FleetReport::ListenerError& error : errors->second) {
    problem.Add("Invalid", Concat("agent ", error.agent, ": ", error.message));
  }
  return problem;
}

const v1::ListenerStatus* PreviousStatus(const v1::Gateway& gateway, const std::string& name) {
  for (const v1::ListenerStatus& status : gateway.status().listeners()) {
    if (status.name() == name) return &status;
  }
  return nullptr;
}

void FillListenerStatus(const GatewayState& state, const ListenerState& listener,
                        const FleetReport& fleet, const std::string& now,
                        v1::ListenerStatus* status) {
  const v1::ListenerStatus* const previous = PreviousStatus(*state.gateway, listener.spec->name());
  const ConditionScope scope{.generation = state.gateway->metadata().generation(),
                             .now = &now,
                             .previous = previous == nullptr ? nullptr : &previous->conditions()};
  status->set_name(listener.spec->name());
  status->set_attached_routes(listener.attached_routes);
  for (const std::string& name : listener.kinds) {
    v1::RouteGroupKind* const kind = status->add_supported_kinds();
    kind->set_group(kGatewayGroup);
    kind->set_kind(name);
  }
  Conditions* const conditions = status->mutable_conditions();
  const Problem programmed = ProgrammedProblem(state, listener, fleet);
  const bool port_unavailable =
      state.Serves(listener) && fleet.agents_connected > 0 && FailsToBind(listener, fleet);
  if (listener.accepted.empty() && port_unavailable) {
    SetCondition(scope, "Accepted", false, "PortUnavailable", programmed.message(), conditions);
  } else if (listener.accepted.empty() && !listener.conflicted.empty()) {
    SetCondition(scope, "Accepted", false, listener.conflicted.reason(),
                 listener.conflicted.message(), conditions);
  } else {
    SetFromProblem(scope, "Accepted", listener.accepted, "Accepted", "the listener is accepted",
                   conditions);
  }
  SetFromProblem(scope, "Programmed", programmed, "Programmed", "every connected agent serves it",
                 conditions);
  SetFromProblem(scope, "ResolvedRefs", listener.resolved, "ResolvedRefs", "all references resolve",
                 conditions);
  // Conflicted is the one condition whose True is bad.
  SetCondition(scope, "Conflicted", !listener.conflicted.empty(),
               listener.conflicted.empty() ? "NoConflicts" : listener.conflicted.reason(),
               listener.conflicted.empty() ? "no other listener is in its way"
                                           : listener.conflicted.message(),
               conditions);
}

void FillAddresses(const GatewayState& state, const FleetReport& fleet, v1::GatewayStatus* status) {
  const std::vector<std::string>& addresses =
      state.addresses.empty() ? fleet.agent_addresses : state.addresses;
  if (!state.accepted.empty()) return;
  for (const std::string& address : addresses) {
    v1::GatewayStatusAddress* const entry = status->add_addresses();
    entry->set_type("IPAddress");
    entry->set_value(address);
  }
}

bool AllTrue(const v1::GatewayStatus& status, std::string_view type) {
  return std::all_of(status.listeners().begin(), status.listeners().end(), [type](const auto& l) {
    return FindCondition(l.conditions(), type)->status() == "True";
  });
}

// Why the Gateway is not what agents run; empty where they run every valid listener.
Problem ProgrammedProblem(const GatewayState& state, const FleetReport& fleet) {
  Problem problem;
  bool any = false;
  for (const ListenerState& listener : state.listeners) any = any || state.Serves(listener);
  if (!state.accepted.empty()) {
    problem.Add("Invalid", state.accepted.message());
  } else if (!any) {
    problem.Add("Invalid", "no listener is valid: see their conditions");
  } else if (fleet.agents_connected == 0) {
    problem.Add("Pending", "no agent is connected to the control plane");
  }
  if (!problem.empty()) return problem;
  for (const ListenerState& listener : state.listeners) {
    if (!state.Serves(listener) || !FailsToBind(listener, fleet)) continue;
    problem.Add(state.addresses.empty() ? "Invalid" : "AddressNotUsable",
                Concat("listener ", listener.spec->name(), ": ",
                       ProgrammedProblem(state, listener, fleet).message()));
  }
  return problem;
}

// REQUIRES: the listeners of `status` are filled in.
void SetGatewayConditions(const GatewayState& state, const FleetReport& fleet,
                          const ConditionScope& scope, v1::GatewayStatus* status) {
  Conditions* const conditions = status->mutable_conditions();
  const bool all_valid = AllTrue(*status, "Accepted") && AllTrue(*status, "ResolvedRefs");
  if (!state.accepted.empty()) {
    SetCondition(scope, "Accepted", false, state.accepted.reason(), state.accepted.message(),
                 conditions);
  } else if (all_valid) {
    SetCondition(scope, "Accepted", true, "Accepted", "the Gateway is accepted", conditions);
  } else {
    const bool any =
        std::any_of(state.listeners.begin(), state.listeners.end(),
                    [&state](const ListenerState& listener) { return state.Serves(listener); });
    SetCondition(scope, "Accepted", any, "ListenersNotValid",
                 "not every listener is valid: see their conditions", conditions);
  }
  SetFromProblem(scope, "Programmed", ProgrammedProblem(state, fleet), "Programmed",
                 "every connected agent serves it", conditions);
}

}  // namespace

v1::GatewayStatus StatusOf(const GatewayState& state, const FleetReport& fleet,
                           const std::string& now) {
  v1::GatewayStatus status;
  const ConditionScope scope{.generation = state.gateway->metadata().generation(),
                             .now = &now,
                             .previous = &state.gateway->status().conditions()};
  for (const ListenerState& listener : state.listeners) {
    FillListenerStatus(state, listener, fleet, now, status.add_listeners());
  }
  SetGatewayConditions(state, fleet, scope, &status);
  FillAddresses(state, fleet, &status);
  return status;
}

v1::GatewayClassStatus StatusOf(const v1::GatewayClass& gateway_class, const std::string& now) {
  v1::GatewayClassStatus status;
  const ConditionScope scope{.generation = gateway_class.metadata().generation(),
                             .now = &now,
                             .previous = &gateway_class.status().conditions()};
  SetCondition(scope, "Accepted", true, "Accepted", "the class is served by this control plane",
               status.mutable_conditions());
  for (const char* const feature : kSupportedFeatures) {
    status.add_supported_features()->set_name(feature);
  }
  return status;
}

}  // namespace apk

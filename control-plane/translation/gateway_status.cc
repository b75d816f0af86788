// Conditions of classes, Gateways, ListenerSets and listeners, as the Gateway API words them.
#include <algorithm>

#include "common/strings.h"
#include "control-plane/translation/features.h"
#include "control-plane/translation/gateways.h"

namespace apk {
namespace {

using ListenerStatuses = google::protobuf::RepeatedPtrField<v1::ListenerStatus>;

void SetFromProblem(const ConditionScope& scope, std::string_view type, const Problem& problem,
                    std::string_view good_reason, std::string_view good_message,
                    Conditions* conditions) {
  if (problem.empty()) {
    SetCondition(scope, type, true, good_reason, good_message, conditions);
  } else {
    SetCondition(scope, type, false, problem.reason(), problem.message(), conditions);
  }
}

// What agents could not bind of a listener. An address that the Gateway names is served where one
// agent has it: the others are on other nodes. The agents' own address is wanted from each.
struct BindFailures {
  Problem address;  // None of the agents' nodes has it.
  Problem port;     // Taken, or not permitted.
};

void AddFailure(const std::vector<FleetReport::ListenerError>& errors, const std::string& address,
                size_t tolerated, BindFailures& failures) {
  size_t agents = 0;
  bool unusable = true;
  for (const FleetReport::ListenerError& error : errors) {
    if (error.address != address) continue;
    ++agents;
    unusable = unusable && error.address_unusable;
  }
  if (agents <= tolerated) return;
  for (const FleetReport::ListenerError& error : errors) {
    if (error.address != address) continue;
    const std::string message = Concat("agent ", error.agent, ": ", error.message);
    if (unusable) {
      failures.address.Add("AddressNotUsable", message);
    } else {
      failures.port.Add("PortUnavailable", message);
    }
  }
}

BindFailures FailuresOf(const GatewayState& state, const ListenerState& listener,
                        const Serving& serving) {
  BindFailures failures;
  const auto& all = serving.fleet.listener_errors;
  const auto errors = all.find(listener.name);
  if (!state.Serves(listener) || errors == all.end()) return failures;
  if (state.addresses.empty()) AddFailure(errors->second, "", 0, failures);
  const auto others = static_cast<size_t>(std::max(1, serving.selected)) - 1;
  for (const std::string& address : state.addresses) {
    AddFailure(errors->second, address, others, failures);
  }
  return failures;
}

// "every …" of them serves it.
std::string Whose(const GatewayState& state) {
  return state.agents.text.empty() ? "connected agent"
                                   : Concat("connected agent with ", state.agents.text);
}

// True where a status of this generation already says so: then a snapshot on its way takes nothing
// back.
bool WasProgrammed(const ConditionScope& scope) {
  const v1::Condition* const before =
      scope.previous == nullptr ? nullptr : FindCondition(*scope.previous, "Programmed");
  return before != nullptr && before->status() == "True" &&
         before->observed_generation() == scope.generation;
}

// `set`: whose listeners it is about; nullptr: the Gateway's own.
void AddPending(const GatewayState& state, const v1::ListenerSet* set, const Serving& serving,
                const ConditionScope& scope, Problem& problem) {
  const auto& all_held = serving.fleet.held_back.objects;
  const auto held = all_held.empty() ? all_held.end()
                    : set == nullptr ? all_held.find(KeyOf(*state.gateway))
                                     : all_held.find(KeyOf(*set));
  if (held != all_held.end()) problem.Add(kRefusedReason, held->second);
  if (serving.connected == 0) {
    problem.Add("Pending", "no agent is connected to the control plane");
  } else if (serving.selected == 0) {
    problem.Add("Pending",
                Concat("no connected agent has the labels that metadata.annotations.",
                       kAgentSelectorAnnotation, " selects: \"", state.agents.text, "\""));
  } else if (!serving.confirmed && !WasProgrammed(scope)) {
    const std::string& why = serving.fleet.held_back.message;
    problem.Add("Pending",
                Concat("not every ", Whose(state), " runs it yet", why.empty() ? "" : ": ", why));
  }
}

// Why agents do not serve the listener; empty where they do.
Problem ProgrammedProblem(const GatewayState& state, const ListenerState& listener,
                          const BindFailures& failures, const Serving& serving,
                          const ConditionScope& scope) {
  Problem problem;
  if (listener.set != nullptr && !listener.conflicted.empty()) {
    problem.Add(listener.conflicted.reason(), listener.conflicted.message());
  } else if (!state.Serves(listener)) {
    problem.Add("Invalid", "the listener is not valid: see the other conditions");
  } else {
    const auto refused = serving.fleet.held_back.refused.find(listener.name);
    if (refused != serving.fleet.held_back.refused.end()) {
      problem.Add(kRefusedReason, refused->second);
    }
    AddPending(state, listener.set, serving, scope, problem);
    if (!failures.port.empty()) problem.Add("Invalid", failures.port.message());
    if (!failures.address.empty()) problem.Add("Pending", failures.address.message());
  }
  return problem;
}

// The reason of a conflict stands in Accepted too where a ListenerSet lost; a Gateway's own
// listener is invalid.
Problem AcceptedProblem(const ListenerState& listener, const BindFailures& failures) {
  if (listener.set != nullptr && !listener.conflicted.empty()) return listener.conflicted;
  if (!listener.accepted.empty()) return listener.accepted;
  if (listener.conflicted.empty()) return failures.port;
  Problem problem;
  problem.Add("Invalid", listener.conflicted.message());
  return problem;
}

const v1::ListenerStatus* FindStatus(const ListenerStatuses& statuses, const std::string& name) {
  for (const v1::ListenerStatus& status : statuses) {
    if (status.name() == name) return &status;
  }
  return nullptr;
}

void FillListenerStatus(const GatewayState& state, const ListenerState& listener,
                        const Serving& serving, const ConditionScope& scope,
                        v1::ListenerStatus* status) {
  status->set_name(listener.spec->name());
  status->set_attached_routes(listener.attached_routes);
  for (const std::string& name : listener.kinds) {
    v1::RouteGroupKind* const kind = status->add_supported_kinds();
    kind->set_group(kGatewayGroup);
    kind->set_kind(name);
  }
  Conditions* const conditions = status->mutable_conditions();
  const BindFailures failures = FailuresOf(state, listener, serving);
  SetFromProblem(scope, "Accepted", AcceptedProblem(listener, failures), "Accepted",
                 "the listener is accepted", conditions);
  SetFromProblem(scope, "Programmed", ProgrammedProblem(state, listener, failures, serving, scope),
                 "Programmed", Concat("every ", Whose(state), " serves it"), conditions);
  SetFromProblem(scope, "ResolvedRefs", listener.resolved, "ResolvedRefs", "all references resolve",
                 conditions);
  // Conflicted and OverlappingTLSConfig are the conditions whose True is bad.
  SetCondition(scope, "Conflicted", !listener.conflicted.empty(),
               listener.conflicted.empty() ? "NoConflicts" : listener.conflicted.reason(),
               listener.conflicted.empty() ? "no other listener is in its way"
                                           : listener.conflicted.message(),
               conditions);
  if (!listener.overlapping.empty()) {
    SetCondition(scope, "OverlappingTLSConfig", true, listener.overlapping.reason(),
                 listener.overlapping.message(), conditions);
  }
}

// Statuses of the listeners of `set`, or of the Gateway's own where it is nullptr.
void FillListenerStatuses(const GatewayState& state, const v1::ListenerSet* set,
                          const Serving& serving, ConditionScope scope,
                          const ListenerStatuses& previous, ListenerStatuses* statuses) {
  for (const ListenerState& listener : state.listeners) {
    if (listener.set != set) continue;
    const v1::ListenerStatus* const before = FindStatus(previous, listener.spec->name());
    scope.previous = before == nullptr ? nullptr : &before->conditions();
    FillListenerStatus(state, listener, serving, scope, statuses->Add());
  }
}

// Addresses that are bound, as far as it is known.
void FillAddresses(const GatewayState& state, const Serving& serving, v1::GatewayStatus* status) {
  if (!state.accepted.empty()) return;
  std::vector<std::string> addresses = state.addresses;
  if (addresses.empty()) addresses.assign(serving.addresses.begin(), serving.addresses.end());
  for (const std::string& address : addresses) {
    bool usable = true;
    for (const auto& [listener, errors] : serving.fleet.listener_errors) {
      const auto lacking = std::count_if(errors.begin(), errors.end(), [&](const auto& error) {
        return error.address_unusable && error.address == address;
      });
      if (lacking > 0 && lacking >= serving.selected) usable = false;
    }
    if (!usable) continue;
    v1::GatewayStatusAddress* const entry = status->add_addresses();
    entry->set_type("IPAddress");
    entry->set_value(address);
  }
}

bool AllTrue(const ListenerStatuses& statuses, std::string_view type) {
  return std::all_of(statuses.begin(), statuses.end(), [type](const auto& status) {
    return FindCondition(status.conditions(), type)->status() == "True";
  });
}

// Why the valid listeners of `set` (nullptr: the Gateway's own) are not what agents run.
Problem NotServed(const GatewayState& state, const v1::ListenerSet* set, const Serving& serving,
                  const ConditionScope& scope) {
  Problem problem;
  AddPending(state, set, serving, scope, problem);
  if (!problem.empty()) return problem;
  for (const ListenerState& listener : state.listeners) {
    if (listener.set != set) continue;
    const BindFailures failures = FailuresOf(state, listener, serving);
    const Problem& failure = failures.address.empty() ? failures.port : failures.address;
    if (failure.empty()) continue;
    problem.Add(state.addresses.empty() ? "Invalid" : "AddressNotUsable",
                Concat("listener ", listener.spec->name(), ": ", failure.message()));
  }
  return problem;
}

// Accepted of what has listeners: a Gateway or a ListenerSet. `any`: one of them is valid.
void SetAccepted(const ConditionScope& scope, const Problem& problem,
                 const ListenerStatuses& statuses, bool any, std::string_view good_message,
                 Conditions* conditions) {
  if (!problem.empty()) {
    SetCondition(scope, "Accepted", false, problem.reason(), problem.message(), conditions);
  } else if (AllTrue(statuses, "Accepted") && AllTrue(statuses, "ResolvedRefs")) {
    SetCondition(scope, "Accepted", true, "Accepted", good_message, conditions);
  } else {
    SetCondition(scope, "Accepted", any, "ListenersNotValid",
                 "not every listener is valid: see their conditions", conditions);
  }
}

void SetTlsConditions(const GatewayState& state, const ConditionScope& scope,
                      Conditions* conditions) {
  if (state.gateway->spec().tls().backend().has_client_certificate_ref()) {
    SetFromProblem(scope, "ResolvedRefs", state.resolved, "ResolvedRefs",
                   "all references of the Gateway itself resolve", conditions);
  }
  if (state.insecure_frontend) {
    SetCondition(scope, "InsecureFrontendValidationMode", true, "ConfigurationChanged",
                 "spec.tls.frontend lets clients in without a valid certificate", conditions);
  }
}

}  // namespace

v1::GatewayStatus StatusOf(const GatewayState& state, const Serving& serving,
                           const std::string& now) {
  v1::GatewayStatus status;
  const v1::GatewayStatus& before = state.gateway->status();
  const ConditionScope scope{.generation = state.gateway->metadata().generation(),
                             .now = &now,
                             .previous = &before.conditions()};
  FillListenerStatuses(state, nullptr, serving, scope, before.listeners(),
                       status.mutable_listeners());
  const bool any = state.ServesAnyOf(nullptr);
  SetAccepted(scope, state.accepted, status.listeners(), any, "the Gateway is accepted",
              status.mutable_conditions());
  Problem programmed;
  if (!state.accepted.empty()) {
    programmed.Add("Invalid", state.accepted.message());
  } else if (!any) {
    programmed.Add("Invalid", "no listener is valid: see their conditions");
  } else {
    programmed = NotServed(state, nullptr, serving, scope);
  }
  SetFromProblem(scope, "Programmed", programmed, "Programmed",
                 Concat("every ", Whose(state), " serves it"), status.mutable_conditions());
  SetTlsConditions(state, scope, status.mutable_conditions());
  FillAddresses(state, serving, &status);
  int attached = 0;
  for (const ListenerSetState& set : state.listener_sets) {
    if (set.accepted.empty() && state.ServesAnyOf(set.set)) ++attached;
  }
  status.set_attached_listener_sets(attached);
  return status;
}

v1::ListenerSetStatus StatusOf(const GatewayState& gateway, const ListenerSetState& state,
                               const Serving& serving, const std::string& now) {
  v1::ListenerSetStatus status;
  const v1::ListenerSetStatus& before = state.set->status();
  const ConditionScope scope{.generation = state.set->metadata().generation(),
                             .now = &now,
                             .previous = &before.conditions()};
  FillListenerStatuses(gateway, state.set, serving, scope, before.listeners(),
                       status.mutable_listeners());
  const bool any = gateway.ServesAnyOf(state.set);
  SetAccepted(scope, state.accepted, status.listeners(), any, "the ListenerSet is accepted",
              status.mutable_conditions());
  Problem programmed = state.accepted;
  if (programmed.empty() && !any) {
    programmed.Add("ListenersNotValid", "no listener is valid: see their conditions");
  } else if (programmed.empty()) {
    programmed = NotServed(gateway, state.set, serving, scope);
  }
  SetFromProblem(scope, "Programmed", programmed, "Programmed",
                 Concat("every ", Whose(gateway), " serves it"), status.mutable_conditions());
  return status;
}

v1::GatewayClassStatus StatusOf(const v1::GatewayClass& gateway_class, const std::string& now) {
  v1::GatewayClassStatus status;
  const ConditionScope scope{.generation = gateway_class.metadata().generation(),
                             .now = &now,
                             .previous = &gateway_class.status().conditions()};
  Problem problem;
  if (gateway_class.spec().has_parameters_ref()) {
    problem.Add("InvalidParameters",
                Concat("spec.parametersRef: no parameters of kind ",
                       gateway_class.spec().parameters_ref().kind(), " are known here: remove it"));
  }
  SetFromProblem(scope, "Accepted", problem, "Accepted",
                 "the class is served by this control plane", status.mutable_conditions());
  SetCondition(scope, "SupportedVersion", true, "SupportedVersion",
               "the Gateway API is served in the version of this control plane",
               status.mutable_conditions());
  for (const std::string_view feature : SupportedFeatures()) {
    status.add_supported_features()->set_name(std::string(feature));
  }
  return status;
}

}  // namespace apk

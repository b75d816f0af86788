// Kind by kind.
#include "control-plane/translation/status_updates.h"

#include <algorithm>
#include <map>
#include <set>

#include "apk/v1/api.pb.h"
#include "apk/v1/gateway.pb.h"
#include "control-plane/translation/resolve_backends.h"

namespace apk {
namespace {

template <class Object>
ConditionScope ScopeOf(const Object& object, const std::string& now) {
  return {.generation = object.metadata().generation(),
          .now = &now,
          .previous = &object.status().conditions()};
}

void SetAccepted(const ConditionScope& scope, const Problem& problem, Conditions* conditions) {
  SetCondition(scope, "Accepted", problem.empty(), problem.empty() ? "Accepted" : problem.reason(),
               problem.empty() ? "in force" : problem.message(), conditions);
}

// What the schema gives to a new Gateway. One without a class of ours has it, too: nothing that
// this control plane said of it is true any longer.
v1::GatewayStatus UnclaimedStatus() {
  v1::GatewayStatus status;
  for (const char* const type : {"Accepted", "Programmed"}) {
    v1::Condition* const condition = status.add_conditions();
    condition->set_type(type);
    condition->set_status("Unknown");
    condition->set_reason("Pending");
    condition->set_message("Waiting for controller");
    condition->set_last_transition_time("1970-01-01T00:00:00Z");
  }
  return status;
}

Serving ServingOf(const AgentSelector& selector, const FleetReport& fleet,
                  const SnapshotSlices& slices) {
  Serving serving{.fleet = fleet, .confirmed = true, .addresses = {}};
  for (const FleetReport::Group& group : fleet.groups) {
    serving.connected += group.agents;
    if (!selector.labels.Matches(group.labels)) continue;
    serving.selected += group.agents;
    serving.addresses.insert(group.addresses.begin(), group.addresses.end());
    const std::string wanted = slices.For(group.labels)->version;
    serving.confirmed =
        serving.confirmed &&
        std::all_of(group.versions.begin(), group.versions.end(),
                    [&wanted](const std::string& version) { return version == wanted; });
  }
  return serving;
}

}  // namespace

void UpdateApis(const ApiBindings& apis, const std::string& now, Translation& translation) {
  for (const auto& [api, problem] : apis.problems()) {
    v1::ApiStatus status;
    SetAccepted(ScopeOf(*api, now), problem, status.mutable_conditions());
    v1::ApiDeploymentStatus* const deployment = status.mutable_deployment_status();
    deployment->set_accepted(problem.empty());
    deployment->set_status(problem.empty() ? "DEPLOYED" : "INVALID");
    deployment->set_message(problem.empty() ? "API is deployed to the gateway."
                                            : problem.message());
    deployment->set_transition_time(status.conditions(0).last_transition_time());
    UpdateStatus(*api, status, translation);
  }
  for (const auto& [policy, problem] : apis.policy_problems()) {
    v1::PolicyStatus status;
    SetAccepted(ScopeOf(*policy, now), problem, status.mutable_conditions());
    UpdateStatus(*policy, status, translation);
  }
  for (const auto& [issuer, problem] : apis.issuer_problems()) {
    v1::PolicyStatus status;
    SetAccepted(ScopeOf(*issuer, now), problem, status.mutable_conditions());
    UpdateStatus(*issuer, status, translation);
  }
}

v1::BackendStatus BackendStatusOf(const ResourceSet& resources, const v1::Backend& backend,
                                  const std::string& now) {
  v1::BackendStatus status;
  const ConditionScope scope = ScopeOf(backend, now);
  const Problem problem = CheckBackend(resources, backend);
  SetCondition(scope, "Accepted", true, "Accepted", "the backend is accepted",
               status.mutable_conditions());
  SetCondition(
      scope, "ResolvedRefs", problem.empty(), problem.empty() ? "ResolvedRefs" : problem.reason(),
      problem.empty() ? "all references resolve" : problem.message(), status.mutable_conditions());
  return status;
}

void UpdateClasses(const ResourceSet& resources, const std::string& now, Translation& translation) {
  for (const std::string& name : OurClasses(resources)) {
    const v1::GatewayClass& gateway_class = *resources.Find<v1::GatewayClass>("", name);
    UpdateStatus(gateway_class, StatusOf(gateway_class, now), translation);
  }
}

void UpdateGateways(const std::vector<GatewayState>& gateways, const FleetReport& fleet,
                    const SnapshotSlices& slices, const std::string& now,
                    Translation& translation) {
  std::map<std::string, Serving> servings;  // By selector.
  for (const GatewayState& gateway : gateways) {
    auto known = servings.find(gateway.agents.text);
    if (known == servings.end()) {
      known = servings.emplace(gateway.agents.text, ServingOf(gateway.agents, fleet, slices)).first;
    }
    const Serving& serving = known->second;
    UpdateStatus(*gateway.gateway, StatusOf(gateway, serving, now), translation);
    for (const ListenerSetState& set : gateway.listener_sets) {
      UpdateStatus(*set.set, StatusOf(gateway, set, serving, now), translation);
    }
  }
}

void UpdateUnclaimed(const ResourceSet& resources, const std::vector<GatewayState>& ours,
                     Translation& translation) {
  std::set<const v1::Gateway*> claimed;
  for (const GatewayState& state : ours) claimed.insert(state.gateway);
  for (const v1::Gateway* const gateway : resources.All<v1::Gateway>()) {
    if (!claimed.contains(gateway)) UpdateStatus(*gateway, UnclaimedStatus(), translation);
  }
}

}  // namespace apk

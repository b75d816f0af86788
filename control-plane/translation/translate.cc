// The order of the steps; each lives in a file of its own.
#include "control-plane/translation/translate.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "apk/v1/api.pb.h"
#include "apk/v1/backend.pb.h"
#include "apk/v1/gateway.pb.h"
#include "common/strings.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/resolve_backends.h"
#include "control-plane/translation/snapshot_assembly.h"
#include "control-plane/translation/translate_route.h"

namespace apk {
namespace {

// Conditions keep their time where their status stayed, so equal means equal.
template <class Object, class Status>
void UpdateStatus(const Object& object, const Status& status, Translation& translation) {
  if (google::protobuf::util::MessageDifferencer::Equals(object.status(), status)) return;
  auto updated = std::make_shared<Object>(object);
  *updated->mutable_status() = status;
  translation.status_updates.push_back(std::move(updated));
}

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
  for (const auto& [issuer, problem] : apis.issuer_problems()) {
    v1::PolicyStatus status;
    SetAccepted(ScopeOf(*issuer, now), problem, status.mutable_conditions());
    UpdateStatus(*issuer, status, translation);
  }
}

void UpdateBackends(const ResourceSet& resources, const std::string& now,
                    Translation& translation) {
  for (const v1::Backend* const backend : resources.All<v1::Backend>()) {
    v1::BackendStatus status;
    const ConditionScope scope = ScopeOf(*backend, now);
  for (const auto& [policy, problem] : apis.policy_problems()) {
    v1::PolicyStatus status;
    SetAccepted(ScopeOf(*policy, now), problem, status.mutable_conditions());
    UpdateStatus(*policy, status, translation);
  }
    const Problem problem = CheckBackend(resources, *backend);
    SetCondition(scope, "Accepted", true, "Accepted", "the backend is accepted",
                 status.mutable_conditions());
    SetCondition(scope, "ResolvedRefs", problem.empty(),
                 problem.empty() ? "ResolvedRefs" : problem.reason(),
                 problem.empty() ? "all references resolve" : problem.message(),
                 status.mutable_conditions());
    UpdateStatus(*backend, status, translation);
  }
}

void UpdateClasses(const ResourceSet& resources, const std::string& now, Translation& translation) {
  for (const std::string& name : OurClasses(resources)) {
    const v1::GatewayClass& gateway_class = *resources.Find<v1::GatewayClass>("", name);
    UpdateStatus(gateway_class, StatusOf(gateway_class, now), translation);
  }
}

// A route may be attached to a listener that is not served (its certificate is missing, say).
void KeepServed(const SnapshotAssembly& assembly, v1::RouteConfig& route) {
  google::protobuf::RepeatedPtrField<v1::RouteAttachment> served;
  for (v1::RouteAttachment& attachment : *route.mutable_attachments()) {
    if (assembly.Has(attachment.listener())) *served.Add() = std::move(attachment);
  }
  route.mutable_attachments()->Swap(&served);
}

void Take(const std::string& name, SnapshotAssembly& available, SnapshotAssembly& assembly) {
  if (!name.empty() && !assembly.Has(name)) assembly.Resource(name) = available.Resource(name);
}

// Agents get the backends and issuers of routes that are served, and nobody else's credentials.
void TakeReferenced(const v1::RouteConfig& route, SnapshotAssembly& available,
                    SnapshotAssembly& assembly) {
  for (const v1::RuleConfig& rule : route.rules()) {
    for (const auto& backend : rule.backends()) Take(backend.backend(), available, assembly);
    for (const auto& mirror : rule.mirrors()) Take(mirror.backend(), available, assembly);
    for (const auto& issuer : rule.authentication().token_issuers()) {
      Take(issuer, available, assembly);
    }
  }
}

}  // namespace

Translation Translate(const ResourceSet& resources, const FleetReport& fleet, uint64_t revision,
                      const std::string& now) {
  Translation translation;
  SnapshotAssembly assembly;
  SnapshotAssembly available;  // What routes may refer to; taken over where a served one does.
  std::vector<GatewayState> gateways = EvaluateGateways(resources, assembly);
  const ApiBindings apis(resources, available);
  BackendResolver backends(resources, available);

  for (const v1::HTTPRoute* const route : resources.All<v1::HTTPRoute>()) {
    const Attachments attachments = AttachRoute(resources, ViewOf(*route), gateways);
    RouteTranslation translated = TranslateRoute(resources, *route, attachments, apis, backends);
    UpdateStatus(*route, StatusOf(ViewOf(*route), attachments, translated, now), translation);
    KeepServed(assembly, translated.config);
    if (translated.config.attachments().empty()) continue;
    TakeReferenced(translated.config, available, assembly);
    *assembly.Resource(Concat("route/", translated.config.name())).mutable_route() =
        std::move(translated.config);
  }

  for (const GatewayState& gateway : gateways) {
    UpdateStatus(*gateway.gateway, StatusOf(gateway, fleet, now), translation);
  }
  UpdateClasses(resources, now, translation);
  UpdateApis(apis, now, translation);
  UpdateBackends(resources, now, translation);
  std::sort(translation.status_updates.begin(), translation.status_updates.end(),
            [](const ResourcePtr& a, const ResourcePtr& b) { return KeyOf(*a) < KeyOf(*b); });
  translation.snapshot = assembly.Finish(revision);
  return translation;
}

}  // namespace apk

// Every target has one winner: the oldest. What names a port goes before what names the Service.
#include "control-plane/translation/backend_tls_policies.h"

#include <algorithm>

#include "common/strings.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/tls_references.h"

namespace apk {
namespace {

constexpr int kAncestorsMax = 16;

const Conditions* PreviousConditions(const v1::BackendTLSPolicyStatus& status,
                                     const v1::ParentReference& ancestor) {
  for (const v1::PolicyAncestorStatus& entry : status.ancestors()) {
    if (entry.ancestor_ref().namespace_() == ancestor.namespace_() &&
        entry.ancestor_ref().name() == ancestor.name()) {
      return &entry.conditions();
    }
  }
  return nullptr;
}

std::string NameOf(const v1::ObjectMeta& metadata) {
  return Concat(metadata.namespace_(), "/", metadata.name());
}

}  // namespace

BackendTlsPolicies::BackendTlsPolicies(const ResourceSet& resources) : resources_(resources) {
  std::vector<const v1::BackendTLSPolicy*> objects = resources.All<v1::BackendTLSPolicy>();
  std::stable_sort(objects.begin(), objects.end(), OlderFirst<v1::BackendTLSPolicy>);
  for (const v1::BackendTLSPolicy* const object : objects) {
    policies_.emplace_back().object = object;
    Evaluate(policies_.back());
  }
  for (const Policy& policy : policies_) {
    for (int i = 0; i < policy.object->spec().target_refs_size(); ++i) {
      const std::optional<Target> target = TargetOf(*policy.object, i);
      if (target.has_value()) winners_.emplace(*target, &policy);
    }
  }
}

void BackendTlsPolicies::Evaluate(Policy& policy) const {
  const v1::BackendTLSPolicyValidation& validation = policy.object->spec().validation();
  v1::BackendTlsConfig& tls = policy.effect.tls;
  tls.set_server_name(validation.hostname());
  for (const v1::SubjectAltName& name : validation.subject_alt_names()) {
    if (name.type() == "URI") {
      tls.add_allowed_uris(name.uri());
    } else {
      tls.add_allowed_sans(name.hostname());
    }
  }
  if (validation.ca_certificate_refs().empty()) {
    policy.effect.valid = validation.well_known_ca_certificates() == "System";
    if (policy.effect.valid) return;
    policy.accepted.Add("Invalid", Concat("spec.validation.wellKnownCACertificates: \"",
                                          validation.well_known_ca_certificates(),
                                          "\" is not known here, System is"));
    return;
  }
  const ReferenceFrom from{kGatewayGroup, "BackendTLSPolicy",
                           policy.object->metadata().namespace_()};
  for (int i = 0; i < validation.ca_certificate_refs_size(); ++i) {
    const v1::CaCertificateReference& reference = validation.ca_certificate_refs(i);
    tls.mutable_ca_pem()->append(
        ResolveCa(resources_, from,
                  {.group = reference.group(),
                   .kind = reference.kind(),
                   .namespace_name = {},
                   .name = reference.name()},
                  Concat("spec.validation.caCertificateRefs[", std::to_string(i), "]"),
                  "InvalidKind", policy.resolved));
  }
  policy.effect.valid = !tls.ca_pem().empty();
  if (!policy.effect.valid) {
    policy.accepted.Add("NoValidCACertificate",
                        "no CA certificate to check backends with: see ResolvedRefs");
  }
}

std::optional<BackendTlsPolicies::Target> BackendTlsPolicies::TargetOf(
    const v1::BackendTLSPolicy& policy, int index) {
  const v1::PolicyTargetSection& target = policy.spec().target_refs(index);
  if (!target.group().empty() || target.kind() != "Service") return std::nullopt;
  return Target(policy.metadata().namespace_(), target.name(), target.section_name());
}

const BackendTlsPolicies::Effect* BackendTlsPolicies::Find(const v1::Service& service,
                                                           const v1::ServicePort& port) const {
  const v1::ObjectMeta& metadata = service.metadata();
  auto found = winners_.end();
  if (!port.name().empty()) {
    found = winners_.find({metadata.namespace_(), metadata.name(), port.name()});
  }
  if (found == winners_.end()) found = winners_.find({metadata.namespace_(), metadata.name(), ""});
  return found == winners_.end() ? nullptr : &found->second->effect;
}

void BackendTlsPolicies::AddAncestor(const v1::Gateway& gateway, const ServiceName& service) {
  reached_[{gateway.metadata().namespace_(), gateway.metadata().name()}].insert(service);
}

std::vector<const v1::BackendTLSPolicy*> BackendTlsPolicies::All() const {
  std::vector<const v1::BackendTLSPolicy*> all;
  for (const Policy& policy : policies_) all.push_back(policy.object);
  return all;
}

bool BackendTlsPolicies::Exists(const Target& target) const {
  const auto& [namespace_name, name, section] = target;
  const auto* const service = resources_.Find<v1::Service>(namespace_name, name);
  if (service == nullptr || section.empty()) return service != nullptr;
  return std::any_of(
      service->spec().ports().begin(), service->spec().ports().end(),
      [&wanted = section](const v1::ServicePort& port) { return port.name() == wanted; });
}

Problem BackendTlsPolicies::AcceptedBy(const Policy& policy,
                                       const std::set<ServiceName>& reached) const {
  Problem problem = policy.accepted;
  Problem missing;
  Problem lost;
  bool effective = false;
  for (int i = 0; i < policy.object->spec().target_refs_size(); ++i) {
    const std::optional<Target> target = TargetOf(*policy.object, i);
    if (!target.has_value()) continue;
    const auto& [namespace_name, name, section] = *target;
    if (!reached.contains({namespace_name, name})) continue;
    const std::string where =
        Concat("spec.targetRefs[", std::to_string(i), "]: Service ", namespace_name, "/", name,
               section.empty() ? "" : Concat(", port ", section));
    const Policy* const winner = winners_.find(*target)->second;
    if (!Exists(*target)) {
      missing.Add("TargetNotFound", Concat(where, " not found"));
    } else if (winner != &policy) {
      lost.Add("Conflicted",
               Concat(where, " has an older policy, ", NameOf(winner->object->metadata())));
    } else {
      effective = true;
    }
  }
  if (!problem.empty() || effective) return problem;
  return lost.empty() ? missing : lost;
}

v1::BackendTLSPolicyStatus BackendTlsPolicies::StatusOf(const v1::BackendTLSPolicy& object,
                                                        const std::string& now) const {
  v1::BackendTLSPolicyStatus status;
  const auto policy = std::find_if(policies_.begin(), policies_.end(),
                                   [&object](const Policy& p) { return p.object == &object; });
  for (const auto& [gateway, reached] : reached_) {
    bool concerned = false;
    for (int i = 0; i < object.spec().target_refs_size(); ++i) {
      const std::optional<Target> target = TargetOf(object, i);
      concerned = concerned || (target.has_value() &&
                                reached.contains({std::get<0>(*target), std::get<1>(*target)}));
    }
    if (!concerned || status.ancestors_size() == kAncestorsMax) continue;
    v1::PolicyAncestorStatus* const entry = status.add_ancestors();
    v1::ParentReference* const ancestor = entry->mutable_ancestor_ref();
    ancestor->set_group(kGatewayGroup);
    ancestor->set_kind("Gateway");
    ancestor->set_namespace_(gateway.first);
    ancestor->set_name(gateway.second);
    entry->set_controller_name(kControllerName);
    const ConditionScope scope{.generation = object.metadata().generation(),
                               .now = &now,
                               .previous = PreviousConditions(object.status(), *ancestor)};
    const Problem accepted = AcceptedBy(*policy, reached);
    SetCondition(scope, "Accepted", accepted.empty(),
                 accepted.empty() ? "Accepted" : accepted.reason(),
                 accepted.empty() ? "the policy is in force" : accepted.message(),
                 entry->mutable_conditions());
    SetCondition(scope, "ResolvedRefs", policy->resolved.empty(),
                 policy->resolved.empty() ? "ResolvedRefs" : policy->resolved.reason(),
                 policy->resolved.empty() ? "all references resolve" : policy->resolved.message(),
                 entry->mutable_conditions());
  }
  return status;
}

}  // namespace apk

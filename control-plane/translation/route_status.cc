// One entry a parentRef, in the order of spec.
#include "control-plane/translation/route_status.h"

#include "common/strings.h"
#include "control-plane/resources/object_bytes.h"

namespace apk {
namespace {

// What the status says so far for the same parentRef, wherever in the list it stands.
const Conditions* PreviousConditions(const v1::RouteStatus& status,
                                     const v1::ParentReference& parent) {
  for (const v1::RouteParentStatus& entry : status.parents()) {
    if (SameMessage(entry.parent_ref(), parent)) return &entry.conditions();
  }
  return nullptr;
}

}  // namespace

v1::RouteStatus StatusOf(const RouteView& route, const Attachments& attachments,
                         const RouteProblems& problems, const std::string& now) {
  v1::RouteStatus status;
  for (const ParentOutcome& parent : attachments.parents) {
    v1::RouteParentStatus* const entry = status.add_parents();
    *entry->mutable_parent_ref() = *parent.reference;
    entry->mutable_parent_ref()->set_group(kGatewayGroup);
    if (!entry->parent_ref().has_kind()) entry->mutable_parent_ref()->set_kind("Gateway");
    entry->set_controller_name(kControllerName);
    const ConditionScope scope{.generation = route.metadata.generation(),
                               .now = &now,
                               .previous = PreviousConditions(route.status, entry->parent_ref())};
    Conditions* const conditions = entry->mutable_conditions();
    if (!parent.problem.empty()) {
      SetCondition(scope, "Accepted", false, parent.problem.reason(), parent.problem.message(),
                   conditions);
    } else if (problems.all_invalid) {
      SetCondition(scope, "Accepted", false, problems.invalid_rules.reason(),
                   problems.invalid_rules.message(), conditions);
    } else {
      SetCondition(scope, "Accepted", true, "Accepted", "the route is accepted", conditions);
    }
    const Problem& resolved = problems.resolved;
    SetCondition(scope, "ResolvedRefs", resolved.empty(),
                 resolved.empty() ? "ResolvedRefs" : resolved.reason(),
                 resolved.empty() ? "all references resolve" : resolved.message(), conditions);
    if (!problems.invalid_rules.empty() && !problems.all_invalid) {
      SetCondition(scope, "PartiallyInvalid", true, problems.invalid_rules.reason(),
                   Concat("Dropped Rule(s), answered 500: ", problems.invalid_rules.message()),
                   conditions);
    }
  }
  return status;
}

void AddRefusal(const RouteView& route, const std::string& message, const std::string& now,
                v1::RouteStatus& status) {
  for (v1::RouteParentStatus& entry : *status.mutable_parents()) {
    const ConditionScope scope{.generation = route.metadata.generation(),
                               .now = &now,
                               .previous = PreviousConditions(route.status, entry.parent_ref())};
    SetCondition(scope, "Programmed", false, kRefusedReason, message, entry.mutable_conditions());
  }
}

}  // namespace apk

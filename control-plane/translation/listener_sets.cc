// The handshake: the set names the Gateway, the Gateway's allowedListeners admits the set.
#include "control-plane/translation/listener_sets.h"

#include <algorithm>

#include "common/strings.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/namespace_selection.h"

namespace apk {

std::vector<const v1::ListenerSet*> ListenerSetsOf(const ResourceSet& resources,
                                                   const v1::Gateway& gateway) {
  std::vector<const v1::ListenerSet*> sets;
  for (const v1::ListenerSet* const set : resources.All<v1::ListenerSet>()) {
    const v1::ParentGatewayReference& parent = set->spec().parent_ref();
    const std::string& namespace_name =
        parent.namespace_().empty() ? set->metadata().namespace_() : parent.namespace_();
    if (parent.group() == kGatewayGroup && parent.kind() == "Gateway" &&
        parent.name() == gateway.metadata().name() &&
        namespace_name == gateway.metadata().namespace_()) {
      sets.push_back(set);
    }
  }
  std::stable_sort(sets.begin(), sets.end(), OlderFirst<v1::ListenerSet>);
  return sets;
}

Problem CheckListenerSet(const ResourceSet& resources, const GatewayState& gateway,
                         const v1::ListenerSet& set) {
  Problem problem;
  const v1::ObjectMeta& metadata = gateway.gateway->metadata();
  const std::string name = Concat("Gateway ", metadata.namespace_(), "/", metadata.name());
  if (!NamespaceAllowed(resources, gateway.gateway->spec().allowed_listeners().namespaces(),
                        metadata.namespace_(), set.metadata().namespace_())) {
    problem.Add("NotAllowed",
                Concat(name, ": allowedListeners does not admit ListenerSets of namespace ",
                       set.metadata().namespace_()));
  } else if (!gateway.ServesAnyOf(nullptr)) {
    problem.Add("ParentNotAccepted", Concat(name, " is not accepted: see its conditions"));
  }
  return problem;
}

}  // namespace apk

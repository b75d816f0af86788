// ListenerSets and the Gateways that they add listeners to. Pure.
#pragma once

#include <vector>

#include "control-plane/translation/gateways.h"

namespace apk {

// Those that name the Gateway as their parent, oldest first, then by namespace and name.
std::vector<const v1::ListenerSet*> ListenerSetsOf(const ResourceSet& resources,
                                                   const v1::Gateway& gateway);

// Why the listeners of `set` are not among the Gateway's; empty: they are. REQUIRES: the Gateway's
// own listeners are evaluated, with conflicts.
Problem CheckListenerSet(const ResourceSet& resources, const GatewayState& gateway,
                         const v1::ListenerSet& set);

}  // namespace apk

// Which listeners get in each other's way (Gateway API, "Distinct Listeners"). Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/translation/gateways.h"

namespace apk {

// What older Gateways took: protocols and hostnames by address and port.
struct TakenListener {
  AgentSelector agents;
  std::string hostname;
  std::string protocol;
};
using TakenPorts = std::map<std::pair<std::string, int>, std::vector<TakenListener>>;

// Sets `conflicted` of the Gateway's own listeners: all that are not distinct lose.
void FindConflictsWithin(GatewayState& state);

// Sets `conflicted` of the listeners of its ListenerSets, which lose against what goes before them;
// then `overlapping` of all. REQUIRES: FindConflictsWithin.
void FindConflictsBelow(GatewayState& state);

// Across Gateways that share an address and port, and may share an agent, the older one wins: call
// this for them oldest first. REQUIRES: FindConflictsBelow.
void FindConflictsAcross(GatewayState& state, TakenPorts& taken);

}  // namespace apk

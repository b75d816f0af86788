// Which listeners an HTTPRoute attaches to (Gateway API: parentRefs, allowedRoutes, hostnames).
// Pure.
#pragma once

#include <string>
#include <vector>

#include "apk/v1/routes.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/gateways.h"

namespace apk {

// The outcome for one parentRef.
struct ParentOutcome {
  const v1::ParentReference* reference = nullptr;
  Problem problem;  // Empty: accepted.
};

struct Attachments {
  std::vector<ParentOutcome>
      parents;  // In the order of spec; parents of other controllers left out.
  std::vector<v1::RouteAttachment> listeners;  // By name, each once.
};

// Counts the route in the listeners that it attaches to.
Attachments AttachRoute(const ResourceSet& resources, const v1::HTTPRoute& route,
                        std::vector<GatewayState>& gateways);

// Hostnames that a listener and a route have in common; "" stands for any. Empty: none.
std::vector<std::string> IntersectHostnames(const std::string& listener,
                                            const std::vector<std::string>& route);

}  // namespace apk

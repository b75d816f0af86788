// Which listeners a route attaches to (Gateway API: parentRefs, allowedRoutes, hostnames). Pure.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string>
#include <vector>

#include "apk/v1/routes.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "common/strings.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/hostname_claims.h"

namespace apk {

// What all kinds of routes have in common.
struct RouteView {
  const v1::ObjectMeta& metadata;
  const std::string& kind;
  const google::protobuf::RepeatedPtrField<v1::ParentReference>& parent_refs;
  const google::protobuf::RepeatedPtrField<std::string>& hostnames;
  const v1::RouteStatus& status;  // So far.
};

template <class Route>
RouteView ViewOf(const Route& route) {
  return {.metadata = route.metadata(),
          .kind = Route::descriptor()->name(),
          .parent_refs = route.spec().parent_refs(),
          .hostnames = route.spec().hostnames(),
          .status = route.status()};
}

// The outcome for one parentRef.
struct ParentOutcome {
  const v1::ParentReference* reference = nullptr;
  Problem problem;  // Empty: accepted.
};

struct Attachments {
  std::vector<ParentOutcome>
      parents;  // In the order of spec; parents of other controllers left out.
  RouteAttachments listeners;  // By name, each once.
  RouteAttachments
      taken;  // The same of listeners where the other kind has a hostname of the route.
};

// Counts the route in the listeners that it attaches to. Older routes must come first: where
// HTTPRoutes and GRPCRoutes share a hostname on a listener, the first one has it.
Attachments AttachRoute(const ResourceSet& resources, const RouteView& route,
                        std::vector<GatewayState>& gateways);

}  // namespace apk

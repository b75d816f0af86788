// One HTTPRoute, or a GRPCRoute as one: its rules as agents run them, and what its status says.
// Pure.
#pragma once

#include <optional>
#include <string>

#include "apk/v1/routes.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/resolve_backends.h"
#include "control-plane/translation/route_status.h"

namespace apk {

struct RouteTranslation : RouteProblems {
  v1::RouteConfig config;  // Without attachments: not part of the snapshot.
};

RouteTranslation TranslateRoute(const ResourceSet& resources, const v1::HTTPRoute& route,
                                const Attachments& attachments, const ApiBindings& apis,
                                BackendResolver& backends);

}  // namespace apk

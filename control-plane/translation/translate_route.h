// One HTTPRoute: its rules as agents run them, and what its status says. Pure.
#pragma once

#include <optional>
#include <string>

#include "apk/v1/routes.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/resolve_backends.h"

namespace apk {

struct RouteTranslation {
  v1::RouteConfig config;  // Without attachments: not part of the snapshot.
  Problem resolved;        // ResolvedRefs.
  Problem invalid_rules;   // Rules that can't be served.
  bool all_invalid = false;
};

RouteTranslation TranslateRoute(const ResourceSet& resources, const v1::HTTPRoute& route,
                                const Attachments& attachments, const ApiBindings& apis,
                                BackendResolver& backends);

v1::RouteStatus StatusOf(const v1::HTTPRoute& route, const Attachments& attachments,
                         const RouteTranslation& translation, const std::string& now);

}  // namespace apk

// What the status of a route says, whatever its kind. Pure.
#pragma once

#include <string>

#include "apk/v1/routes.pb.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/conditions.h"

namespace apk {

struct RouteProblems {
  Problem resolved;       // ResolvedRefs.
  Problem invalid_rules;  // Rules that can't be served.
  bool all_invalid = false;
};

v1::RouteStatus StatusOf(const RouteView& route, const Attachments& attachments,
                         const RouteProblems& problems, const std::string& now);
// An agent refuses it: `message`.
void AddRefusal(const RouteView& route, const std::string& message, const std::string& now,
                v1::RouteStatus& status);

}  // namespace apk

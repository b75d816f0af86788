// What filters of routes must look like, beside their fields. Pure.
#pragma once

#include <string>

#include "apk/v1/routes.pb.h"
#include "control-plane/validation/kind_rules.h"

namespace apk {

using RouteFilters = google::protobuf::RepeatedPtrField<v1::HTTPRouteFilter>;

// "spec.rules[2]".
std::string At(const std::string& path, int index);

// Fields that belong to the gateway: framing, Host and what is for one hop alone.
void CheckModifiedName(const std::string& name, const std::string& path, IssueList& issues);

// The filters of `rule`, or of one of its backendRefs.
void CheckFilters(const RouteFilters& filters, const std::string& path,
                  const v1::HTTPRouteRule& rule, IssueList& issues);

}  // namespace apk

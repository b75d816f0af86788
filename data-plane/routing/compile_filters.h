// Filter messages in, filter values out. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "data-plane/filters/filter.h"

namespace apk {

// Refuses modifiers that would touch Host, framing or hop-by-hop fields, names that are no tokens,
// values with control characters, and redirect codes that the Gateway API does not know.
absl::StatusOr<std::vector<Filter>> CompileFilters(
    const google::protobuf::RepeatedPtrField<v1::FilterConfig>& configs);

// A field that a rule or a backend may set.
absl::Status CheckSettableField(const std::string& name, const std::string& value);

}  // namespace apk

// Strategic merge patches: a merge patch whose lists of objects are merged by key, with directives
// ($patch, $retainKeys, $deleteFromPrimitiveList/…, $setElementOrder/…) beside the fields. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <nlohmann/json_fwd.hpp>

namespace apk {

// The lists that are merged are those of the core kinds we have. INVALID_ARGUMENT where a directive
// or an item of such a list has no sense.
absl::StatusOr<nlohmann::ordered_json> StrategicMerge(const nlohmann::ordered_json& present,
                                                      const nlohmann::ordered_json& patch);

}  // namespace apk

// PATCH: a body of one of Kubernetes' patch types and the present object make the wanted one. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control-plane/resources/kind_registry.h"

namespace apk {

// `content_type`: application/merge-patch+json (RFC 7396), application/json-patch+json (RFC 6902),
// or for core kinds application/strategic-merge-patch+json. 415 for others, 400 where the patch
// can't be read or doesn't fit, 422 where a "test" of a JSON patch fails.
absl::StatusOr<nlohmann::ordered_json> ApplyPatch(const Kind& kind, const std::string& content_type,
                                                  const std::string& patch,
                                                  const nlohmann::ordered_json& present);

// Kinds that clients know without asking: their patches are strategic.
bool HasStrategicPatches(const Kind& kind);

}  // namespace apk

// OpenAPI documents for `kubectl explain`, for its checks of what it may ask, and for editors.
// Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

namespace apk {

// /openapi/v3: where the document of each group and version is.
nlohmann::ordered_json OpenApiIndex();
// Of one group ("" for core) and version; nullopt where there is none.
std::optional<nlohmann::ordered_json> OpenApiDocument(std::string_view group,
                                                      std::string_view version);

}  // namespace apk

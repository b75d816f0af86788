// JSON of a request. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace apk {

// Discarded (is_discarded()) where `text` is no JSON, or deeper than manifests may be.
nlohmann::ordered_json ParseBody(const std::string& text);

}  // namespace apk

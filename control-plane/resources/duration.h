// Durations as the Gateway API writes them (GEP-2257). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace apk {

// "1h30m" or "500ms", in milliseconds, at most what 32 bits hold. nullopt where it is none.
std::optional<uint32_t> ParseDurationMs(std::string_view text);

}  // namespace apk

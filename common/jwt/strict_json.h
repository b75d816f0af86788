// JSON from strangers: one object, no name twice, no deep nesting. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace apk {

std::optional<nlohmann::json> ParseStrictObject(std::string_view text, int max_depth = 16);

// nullopt where it is absent or no string.
std::optional<std::string> StringMember(const nlohmann::json& object, const char* name);

}  // namespace apk

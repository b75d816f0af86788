// Base64 with padding (RFC 4648 4). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apk {

std::string EncodeBase64(std::string_view bytes);
// Line breaks are skipped, as YAML block text has them. nullopt where it is no Base64.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace apk

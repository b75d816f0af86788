// Bytes that are known to be whole: 8 bytes of magic, SHA-256 of the rest, the rest. Against damage, not against
// anybody who can write.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apk {

std::string Sha256(std::string_view bytes);  // 32 bytes.

std::string Seal(std::string_view magic, std::string_view body);
// The body, a view into `sealed`; nullopt where it is damaged or of another kind.
std::optional<std::string_view> Unseal(std::string_view magic, std::string_view sealed);

}  // namespace apk

// Bytes that are sent or kept smaller (RFC 1950). Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace apk {

// Quickly rather than well.
std::string Compress(std::string_view bytes);
// nullopt where it is damaged, or would be larger than `size_max`.
std::optional<std::string> Decompress(std::string_view compressed, size_t size_max);

}  // namespace apk

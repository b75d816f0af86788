// base64url without padding (RFC 7515, 2). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apk {

// nullopt for padding, foreign characters, impossible lengths and unused bits that are set: each
// byte string has one spelling.
std::optional<std::string> DecodeBase64Url(std::string_view text);

std::string EncodeBase64Url(std::string_view bytes);

}  // namespace apk

// Request targets (RFC 9112 3.2) and the one normalisation of paths: what is matched is what is
// forwarded. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace apk {

enum class TargetForm : uint8_t { kOrigin, kAbsolute, kAuthority, kAsterisk };

// Views into the target.
struct TargetParts {
  TargetForm form = TargetForm::kOrigin;
  std::string_view authority;  // Absolute and authority form.
  std::string_view path;       // Begins with '/'; "/" where an absolute target has none.
  std::string_view query;      // Without '?'.
  bool has_query = false;
};

// nullopt: no form that a gateway takes, a fragment, white space, control or non-ASCII bytes.
std::optional<TargetParts> SplitTarget(std::string_view target);

// Decodes %-encoded unreserved characters, merges slashes, resolves dot segments (RFC 3986 5.2.4,
// never above the root), and writes hex digits in upper case. False for what two servers could read
// in two ways: encoded slashes and backslashes, plain backslashes, encoded control characters,
// broken escapes. Idempotent. `out` may not view `path`.
bool NormalizePath(std::string_view path, std::string& out);

// A prefix to put before paths: "" for "/".
std::string_view TrimTrailingSlashes(std::string_view path);

// host[:port], IPv6 in brackets. `host` gets the host in lower case, without port, brackets kept.
bool ParseAuthority(std::string_view authority, std::string& host);

}  // namespace apk

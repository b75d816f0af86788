// The two ways to replace a path, for rewrites and redirects alike. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace apk {

// Puts `replacement` in the place of the first `prefix_size` bytes of `path`, a match of whole
// segments. Segments stay apart and the result begins with '/': "/foo/bar" with "/foo" -> "/" is
// "/bar".
void ReplacePathPrefix(std::string& path, size_t prefix_size, std::string_view replacement);

// `pattern` with \0 … \9 replaced by the groups (an absent group is empty), and '/' in front if it
// lacks one.
std::string ExpandGroups(std::string_view pattern, const std::vector<std::string>& groups);

// True where ExpandGroups would look at the groups.
bool RefersToGroups(std::string_view pattern);

}  // namespace apk

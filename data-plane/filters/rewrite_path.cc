// Path replacement on element boundaries, and group references.
#include "data-plane/filters/rewrite_path.h"

namespace apk {
namespace {

bool IsReference(std::string_view pattern, size_t i) {
  return pattern[i] == '\\' && i + 1 < pattern.size() && pattern[i + 1] >= '0' &&
         pattern[i + 1] <= '9';
}

}  // namespace

void ReplacePathPrefix(std::string& path, size_t prefix_size, std::string_view replacement) {
  while (replacement.ends_with('/')) replacement.remove_suffix(1);
  path.replace(0, prefix_size, replacement);
  if (!path.starts_with('/')) path.insert(path.begin(), '/');
}

std::string ExpandGroups(std::string_view pattern, const std::vector<std::string>& groups) {
  std::string result;
  result.reserve(pattern.size());
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!IsReference(pattern, i)) {
      result += pattern[i];
      continue;
    }
    const auto group = static_cast<size_t>(pattern[++i] - '0');
    if (group < groups.size()) result += groups[group];
  }
  if (!result.starts_with('/')) result.insert(result.begin(), '/');
  return result;
}

bool RefersToGroups(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (IsReference(pattern, i)) return true;
  }
  return false;
}

}  // namespace apk

// "did you mean …?" Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace apk {

// The candidate nearest to `word` (case counts little); "" where none is near.
std::string Suggest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace apk

// The query of a URL, decoded. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace apk::inspector {

struct QueryParameter {
  std::string name;
  std::string value;
};

// "%41" and '+' decoded; what isn't a valid escape stays as it is.
std::string DecodeUrl(std::string_view text);
// In the order given. "a&b=" has two.
std::vector<QueryParameter> ParseQuery(std::string_view query);
// The first parameter of that name, or `otherwise`.
std::string QueryValue(std::string_view query, std::string_view name,
                       std::string_view otherwise = "");

}  // namespace apk::inspector

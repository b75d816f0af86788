// The query of a URL, decoded. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
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

// That parameter as a decimal number, `otherwise` where it is not there. INVALID_ARGUMENT, naming
// it, for anything else.
absl::StatusOr<uint64_t> QueryNumber(std::string_view query, std::string_view name,
                                     uint64_t otherwise);
// As well "500ms", "10s", "1m" or "10", which are seconds.
absl::StatusOr<std::chrono::milliseconds> QueryDuration(std::string_view query,
                                                        std::string_view name,
                                                        std::chrono::milliseconds otherwise);

}  // namespace apk::inspector

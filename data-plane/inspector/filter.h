// What to show: terms that must all hold. Pure.
//
//   method:POST            the method, whatever its case
//   path:/orders           part of the path (path=/orders is all of it)
//   header.NAME=value      a header's value (~ part of it; header.NAME alone: it is there)
//   query.NAME=value       a query parameter, likewise
//   body~text              part of the stored body
//   source:10.0.           the beginning of the peer's address
//   after:10m              received in the last 10 minutes (s, m, h)
//   text                   anywhere in path, query, headers or body
//
// A leading - negates a term; "double quotes" keep spaces. Values ignore case but for body and
// path.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "data-plane/inspector/captured_request.h"

namespace apk::inspector {

struct FilterTerm {
  enum class Field { kMethod, kPath, kHeader, kQuery, kBody, kSource, kAfter, kAny };
  enum class Test { kPresent, kContains, kEquals };

  Field field = Field::kAny;
  Test test = Test::kContains;
  bool negated = false;
  std::string name;  // Of the header or query parameter.
  std::string value;
  std::chrono::seconds age{0};  // Of kAfter.
};

class Filter {
 public:
  static constexpr size_t kBytesMax = 1024;
  static constexpr size_t kTermsMax = 32;

  // "" matches everything. The message of an error is for the person who typed it.
  static absl::StatusOr<Filter> Parse(std::string_view text);

  bool Matches(const CapturedRequest& request, WallTime now) const;

 private:
  std::vector<FilterTerm> terms_;
};

}  // namespace apk::inspector

// kubectl's label selectors: "a=b,c!=d,e,!f,g in (x,y),h notin (z)". Pure.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/map.h>

#include <string>
#include <string_view>
#include <vector>

namespace apk {

class LabelSelector {
 public:
  static absl::StatusOr<LabelSelector> Parse(std::string_view text);
  bool Matches(const google::protobuf::Map<std::string, std::string>& labels) const;

 private:
  enum class Operator { kIn, kNotIn, kExists, kAbsent };
  struct Requirement {
    std::string key;
    Operator op = Operator::kExists;
    std::vector<std::string> values;
  };
  static absl::StatusOr<Requirement> ParseRequirement(std::string_view text);

  std::vector<Requirement> requirements_;
};

}  // namespace apk

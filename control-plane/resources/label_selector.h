// kubectl's label selectors: "a=b,c!=d,e,!f,g in (x,y),h notin (z)". Pure.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/map.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/labels.h"

namespace apk {

class LabelSelector {
 public:
  // INVALID_ARGUMENT says what can't be read, or is no key or value of a label.
  static absl::StatusOr<LabelSelector> Parse(std::string_view text);

  bool Matches(const google::protobuf::Map<std::string, std::string>& labels) const;
  bool Matches(const Labels& labels) const;
  // No labels meet both.
  bool Excludes(const LabelSelector& other) const;

 private:
  enum class Operator { kIn, kNotIn, kExists, kAbsent };
  struct Requirement {
    std::string key;
    Operator op = Operator::kExists;
    std::vector<std::string> values;

    bool Lists(const std::string& value) const;
    bool Excludes(const Requirement& other) const;
  };
  static absl::StatusOr<Requirement> ParseRequirement(std::string_view text);
  static absl::Status Check(const Requirement& requirement);
  // `find`: the value of a label, nullptr where there is none.
  bool MatchesBy(const std::function<const std::string*(const std::string&)>& find) const;

  std::vector<Requirement> requirements_;
};

}  // namespace apk

// Commas separate requirements, but not inside parentheses.
#include "control-plane/admin/label_selector.h"

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

std::vector<std::string_view> SplitOutsideParentheses(std::string_view text) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      parts.push_back(TrimSpace(text.substr(begin, i - begin)));
      begin = i + 1;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')') {
      --depth;
    }
  }
  return parts;
}

}  // namespace

absl::StatusOr<LabelSelector> LabelSelector::Parse(std::string_view text) {
  LabelSelector selector;
  if (TrimSpace(text).empty()) return selector;
  for (const std::string_view part : SplitOutsideParentheses(text)) {
    ASSIGN_OR_RETURN(Requirement requirement, ParseRequirement(part));
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

absl::StatusOr<LabelSelector::Requirement> LabelSelector::ParseRequirement(std::string_view text) {
  Requirement requirement;
  if (const size_t open = text.find('('); open != std::string_view::npos) {
    const std::vector<std::string_view> words = Split(TrimSpace(text.substr(0, open)), ' ');
    const bool good =
        text.ends_with(')') && words.size() == 2 && (words[1] == "in" || words[1] == "notin");
    if (!good)
      return absl::InvalidArgumentError(Concat("label selector: can't read \"", text, "\""));
    requirement.key = words[0];
    requirement.op = words[1] == "in" ? Operator::kIn : Operator::kNotIn;
    for (const std::string_view value : Split(text.substr(open + 1, text.size() - open - 2), ',')) {
      requirement.values.emplace_back(TrimSpace(value));
    }
  } else if (const size_t differs = text.find("!="); differs != std::string_view::npos) {
    requirement.key = TrimSpace(text.substr(0, differs));
    requirement.op = Operator::kNotIn;
    requirement.values.emplace_back(TrimSpace(text.substr(differs + 2)));
  } else if (const size_t equals = text.find('='); equals != std::string_view::npos) {
    requirement.key = TrimSpace(text.substr(0, equals));
    requirement.op = Operator::kIn;
    const size_t value = text.find_first_not_of('=', equals);
    if (value != std::string_view::npos)
      requirement.values.emplace_back(TrimSpace(text.substr(value)));
    if (requirement.values.empty()) requirement.values.emplace_back();
  } else {
    const bool absent = text.starts_with('!');
    requirement.key = TrimSpace(text.substr(absent ? 1 : 0));
    requirement.op = absent ? Operator::kAbsent : Operator::kExists;
  }
  if (requirement.key.empty()) {
    return absl::InvalidArgumentError(Concat("label selector: \"", text, "\" names no label"));
  }
  return requirement;
}

bool LabelSelector::Matches(const google::protobuf::Map<std::string, std::string>& labels) const {
  for (const Requirement& requirement : requirements_) {
    const auto found = labels.find(requirement.key);
    const bool exists = found != labels.end();
    const bool listed = exists && std::find(requirement.values.begin(), requirement.values.end(),
                                            found->second) != requirement.values.end();
    bool met = exists;
    if (requirement.op == Operator::kAbsent) met = !exists;
    if (requirement.op == Operator::kIn) met = listed;
    if (requirement.op == Operator::kNotIn) met = !listed;
    if (!met) return false;
  }
  return true;
}

}  // namespace apk

// Commas separate requirements, but not inside parentheses.
#include "control-plane/resources/label_selector.h"

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
    RETURN_IF_ERROR(Check(requirement));
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

absl::Status LabelSelector::Check(const Requirement& requirement) {
  if (!IsQualifiedName(requirement.key)) {
    return absl::InvalidArgumentError(
        Concat("label selector: \"", requirement.key, "\" is no key of a label"));
  }
  for (const std::string& value : requirement.values) {
    if (IsLabelValue(value)) continue;
    return absl::InvalidArgumentError(
        Concat("label selector: \"", value, "\" is no value of a label"));
  }
  return absl::OkStatus();
}

bool LabelSelector::Requirement::Lists(const std::string& value) const {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool LabelSelector::MatchesBy(
    const std::function<const std::string*(const std::string&)>& find) const {
  return std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& wanted) {
    const std::string* const value = find(wanted.key);
    switch (wanted.op) {
      case Operator::kIn:
        return value != nullptr && wanted.Lists(*value);
      case Operator::kNotIn:
        return value == nullptr || !wanted.Lists(*value);
      case Operator::kExists:
        return value != nullptr;
      case Operator::kAbsent:
        return value == nullptr;
    }
    return false;
  });
}

bool LabelSelector::Matches(const google::protobuf::Map<std::string, std::string>& labels) const {
  return MatchesBy([&labels](const std::string& key) -> const std::string* {
    const auto found = labels.find(key);
    return found == labels.end() ? nullptr : &found->second;
  });
}

bool LabelSelector::Matches(const Labels& labels) const {
  return MatchesBy([&labels](const std::string& key) -> const std::string* {
    const auto found = labels.find(key);
    return found == labels.end() ? nullptr : &found->second;
  });
}

// Whether no value of their key meets both.
bool LabelSelector::Requirement::Excludes(const Requirement& other) const {
  if (key != other.key) return false;
  if (op == Operator::kAbsent) {
    return other.op == Operator::kIn || other.op == Operator::kExists;
  }
  if (op != Operator::kIn) return false;
  return std::none_of(values.begin(), values.end(), [&other](const std::string& value) {
    switch (other.op) {
      case Operator::kIn:
        return other.Lists(value);
      case Operator::kNotIn:
        return !other.Lists(value);
      case Operator::kExists:
        return true;
      case Operator::kAbsent:
        return false;
    }
    return true;
  });
}

bool LabelSelector::Excludes(const LabelSelector& other) const {
  for (const Requirement& own : requirements_) {
    for (const Requirement& theirs : other.requirements_) {
      if (own.Excludes(theirs) || theirs.Excludes(own)) return true;
    }
  }
  return false;
}

}  // namespace apk

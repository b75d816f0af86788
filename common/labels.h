// Labels of agents, as Kubernetes spells them: "key=value", where the key may have a prefix. Pure.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace apk {

using Labels = std::map<std::string, std::string>;

bool IsQualifiedName(std::string_view text);  // [prefix/]name, as label and annotation keys are.
bool IsLabelValue(std::string_view text);

// nullopt where it is no label.
std::optional<std::pair<std::string, std::string>> ParseLabel(std::string_view text);
// INVALID_ARGUMENT names the first that is none, or whose key stands twice, or says that there are
// too many of them.
absl::StatusOr<Labels> ParseLabels(const std::vector<std::string>& texts);
absl::Status CheckLabels(const Labels& labels);
// "key=value" each, sorted.
std::vector<std::string> TextsOf(const Labels& labels);

// Of a list of texts; what is no label is left out.
template <class Texts>
Labels LabelsOf(const Texts& texts) {
  Labels labels;
  for (const auto& text : texts) {
    if (auto label = ParseLabel(text); label.has_value()) labels.insert(*std::move(label));
  }
  return labels;
}

}  // namespace apk

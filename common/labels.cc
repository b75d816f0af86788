// Letter by letter: it is asked about each label of each connection.
#include "common/labels.h"

#include <algorithm>

#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kValueMax = 63;
constexpr size_t kPrefixMax = 253;
constexpr size_t kLabelsMax = 32;
constexpr char kHowToWrite[] =
    "write key=value: letters, digits, - _ . between letters and digits, at most 63 of them; the "
    "key may "
    "begin with a DNS name and /";

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Begins and ends with a letter or digit, and has `others` between.
bool IsWord(std::string_view text, std::string_view others) {
  if (text.empty() || !IsAlphanumeric(text.front()) || !IsAlphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [others](char c) {
    return IsAlphanumeric(c) || others.find(c) != std::string_view::npos;
  });
}

bool IsPrefix(std::string_view text) {
  if (text.size() > kPrefixMax) return false;
  const std::vector<std::string_view> parts = Split(text, '.');
  return std::all_of(parts.begin(), parts.end(),
                     [](std::string_view part) { return IsWord(part, "-"); });
}

}  // namespace

bool IsLabelValue(std::string_view text) {
  return text.empty() || (text.size() <= kValueMax && IsWord(text, "-_."));
}

bool IsQualifiedName(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view name = slash == std::string_view::npos ? text : text.substr(slash + 1);
  if (name.empty() || !IsLabelValue(name)) return false;
  return slash == std::string_view::npos || IsPrefix(text.substr(0, slash));
}

std::optional<std::pair<std::string, std::string>> ParseLabel(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view key = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);
  if (!IsQualifiedName(key) || !IsLabelValue(value)) return std::nullopt;
  return std::pair(std::string(key), std::string(value));
}

absl::Status CheckLabels(const Labels& labels) {
  if (labels.size() > kLabelsMax) {
    return absl::InvalidArgumentError(
        Concat("labels: at most ", std::to_string(kLabelsMax), " of them"));
  }
  for (const auto& [key, value] : labels) {
    if (IsQualifiedName(key) && IsLabelValue(value)) continue;
    return absl::InvalidArgumentError(Concat("label \"", key, "=", value, "\": ", kHowToWrite));
  }
  return absl::OkStatus();
}

absl::StatusOr<Labels> ParseLabels(const std::vector<std::string>& texts) {
  Labels labels;
  for (const std::string& text : texts) {
    auto label = ParseLabel(text);
    if (!label.has_value()) {
      return absl::InvalidArgumentError(Concat("label \"", text, "\": ", kHowToWrite));
    }
    const auto [place, is_new] = labels.insert(*std::move(label));
    if (!is_new) {
      return absl::InvalidArgumentError(Concat("label ", place->first, ": is given twice"));
    }
  }
  const absl::Status checked = CheckLabels(labels);
  if (!checked.ok()) return checked;
  return labels;
}

std::vector<std::string> TextsOf(const Labels& labels) {
  std::vector<std::string> texts;
  for (const auto& [key, value] : labels) texts.push_back(Concat(key, "=", value));
  return texts;
}

}  // namespace apk

// application/x-www-form-urlencoded, as in queries.
#include "data-plane/inspector/query.h"

#include <charconv>
#include <optional>

#include "common/strings.h"

namespace apk::inspector {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = AsciiLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Takes the digits that `text` begins with.
std::optional<uint64_t> TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

absl::Status Refuse(std::string_view name, std::string_view value, std::string_view wanted) {
  return absl::InvalidArgumentError(
      Concat(name, ": \"", value, "\" is not understood: give ", wanted));
}

}  // namespace

std::string DecodeUrl(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = high >= 0 ? HexValue(text[i + 2]) : -1;
    if (low >= 0) {
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

std::vector<QueryParameter> ParseQuery(std::string_view query) {
  std::vector<QueryParameter> parameters;
  if (query.empty()) return parameters;
  for (const std::string_view part : Split(query, '&')) {
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    QueryParameter parameter;
    parameter.name = DecodeUrl(part.substr(0, equals));
    if (equals != std::string_view::npos) parameter.value = DecodeUrl(part.substr(equals + 1));
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

std::string QueryValue(std::string_view query, std::string_view name, std::string_view otherwise) {
  for (QueryParameter& parameter : ParseQuery(query)) {
    if (parameter.name == name) return std::move(parameter.value);
  }
  return std::string(otherwise);
}

absl::StatusOr<uint64_t> QueryNumber(std::string_view query, std::string_view name,
                                     uint64_t otherwise) {
  const std::string value = QueryValue(query, name);
  if (value.empty()) return otherwise;
  std::string_view rest = value;
  const std::optional<uint64_t> number = TakeNumber(rest);
  if (!number.has_value() || !rest.empty()) return Refuse(name, value, "a number");
  return *number;
}

absl::StatusOr<std::chrono::milliseconds> QueryDuration(std::string_view query,
                                                        std::string_view name,
                                                        std::chrono::milliseconds otherwise) {
  constexpr uint64_t kNumberMax = 1'000'000'000;
  const std::string value = QueryValue(query, name);
  if (value.empty()) return otherwise;
  std::string_view unit = value;
  const std::optional<uint64_t> number = TakeNumber(unit);
  if (number.has_value() && *number <= kNumberMax) {
    const auto count = static_cast<int64_t>(*number);
    if (unit == "ms") return std::chrono::milliseconds(count);
    if (unit == "s" || unit.empty()) return std::chrono::seconds(count);
    if (unit == "m") return std::chrono::minutes(count);
  }
  return Refuse(name, value, "a time such as 500ms, 10s or 1m");
}

}  // namespace apk::inspector

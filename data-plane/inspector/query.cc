// application/x-www-form-urlencoded, as in queries.
#include "data-plane/inspector/query.h"

#include "common/strings.h"

namespace apk::inspector {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = AsciiLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
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

}  // namespace apk::inspector

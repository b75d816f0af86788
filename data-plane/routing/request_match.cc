// Compares without allocating, save where a repeated field must be joined or an expression needs a
// decoded value.
#include "data-plane/routing/request_match.h"

#include <algorithm>
#include <tuple>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = AsciiLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The next byte of a form-encoded text; a broken escape stands for itself.
char NextDecoded(std::string_view& text) {
  const char c = text[0];
  if (c == '%' && text.size() >= 3 && HexValue(text[1]) >= 0 && HexValue(text[2]) >= 0) {
    const char byte = static_cast<char>(HexValue(text[1]) * 16 + HexValue(text[2]));
    text.remove_prefix(3);
    return byte;
  }
  text.remove_prefix(1);
  return c == '+' ? ' ' : c;
}

bool DecodesTo(std::string_view encoded, std::string_view plain) {
  for (const char c : plain) {
    if (encoded.empty() || NextDecoded(encoded) != c) return false;
  }
  return encoded.empty();
}

std::string Decoded(std::string_view encoded) {
  std::string plain;
  while (!encoded.empty()) plain += NextDecoded(encoded);
  return plain;
}

// The first parameter of that name, still encoded.
std::optional<std::string_view> FindParameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const size_t equals = std::min(pair.find('='), pair.size());
    if (DecodesTo(pair.substr(0, equals), name)) {
      return equals < pair.size() ? pair.substr(equals + 1) : std::string_view();
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

bool HeaderAccepted(const ValueMatch& match, const HeaderMap& headers) {
  std::string_view first;
  std::string joined;
  size_t count = 0;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (!EqualsIgnoreCase(headers.name(i), match.name)) continue;
    ++count;
    if (count == 1) {
      first = headers.value(i);
      continue;
    }
    if (count == 2) joined = first;
    joined.append(", ").append(headers.value(i));
  }
  if (count == 0) return false;
  return match.Accepts(count == 1 ? first : std::string_view(joined));
}

bool ParameterAccepted(const ValueMatch& match, std::string_view query) {
  const std::optional<std::string_view> encoded = FindParameter(query, match.name);
  if (!encoded.has_value()) return false;
  if (match.expression.has_value()) return match.expression->Matches(Decoded(*encoded));
  return DecodesTo(*encoded, match.value);
}

// Entries after the first of a name do not count (Gateway API, HTTPRouteMatch).
absl::Status CompileValues(const google::protobuf::RepeatedPtrField<v1::ValueMatchConfig>& configs,
                           bool ignore_case, std::vector<ValueMatch>& values) {
  for (const v1::ValueMatchConfig& config : configs) {
    const bool repeated = std::any_of(values.begin(), values.end(), [&](const ValueMatch& value) {
      return ignore_case ? EqualsIgnoreCase(value.name, config.name())
                         : value.name == config.name();
    });
    if (repeated) continue;
    ValueMatch value;
    value.name = config.name();
    value.value = config.value();
    if (config.regular_expression()) {
      ASSIGN_OR_RETURN(value.expression, FullMatcher::Compile(config.value()));
    }
    values.push_back(std::move(value));
  }
  return absl::OkStatus();
}

void DropTrailingSlashes(std::string& path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
}

absl::Status CompilePath(const v1::PathMatchConfig& config, bool tolerant, RequestMatch& match) {
  match.path = config.value().empty() ? "/" : config.value();
  switch (config.type()) {
    case v1::PathMatchConfig::EXACT:
      match.path_kind = PathKind::kExact;
      if (tolerant) DropTrailingSlashes(match.path);
      break;
    case v1::PathMatchConfig::REGULAR_EXPRESSION: {
      match.path_kind = PathKind::kRegularExpression;
      if (tolerant) DropTrailingSlashes(match.path);
      ASSIGN_OR_RETURN(match.expression, FullMatcher::Compile(match.path));
      return absl::OkStatus();
    }
    default:
      match.path_kind = PathKind::kPrefix;
      while (match.path.ends_with('/')) match.path.pop_back();
      break;
  }
  if (!match.path.empty() && match.path[0] != '/') {
    return absl::InvalidArgumentError(Concat("path '", match.path, "' does not begin with '/'"));
  }
  return absl::OkStatus();
}

}  // namespace

bool ValueMatch::Accepts(std::string_view text) const {
  return expression.has_value() ? expression->Matches(text) : text == value;
}

bool RequestMatch::AcceptsBesidePath(const RequestHead& request) const {
  if (!method.empty() && method != request.method) return false;
  for (const ValueMatch& header : headers) {
    if (!HeaderAccepted(header, request.headers)) return false;
  }
  for (const ValueMatch& parameter : query_params) {
    if (!ParameterAccepted(parameter, request.query)) return false;
  }
  return true;
}

absl::StatusOr<RequestMatch> CompileMatch(const v1::RequestMatchConfig& config, bool tolerant) {
  RequestMatch match;
  match.tolerant = tolerant;
  RETURN_IF_ERROR(CompilePath(config.path(), tolerant, match));
  match.method = config.method();
  RETURN_IF_ERROR(CompileValues(config.headers(), true, match.headers));
  RETURN_IF_ERROR(CompileValues(config.query_params(), false, match.query_params));
  return match;
}

bool GoesBefore(const RequestMatch& a, const RequestMatch& b) {
  const auto key = [](const RequestMatch& match) {
    return std::tuple<bool, size_t, size_t, int64_t, std::string_view, uint32_t, uint32_t>(
        match.method.empty(), SIZE_MAX - match.headers.size(), SIZE_MAX - match.query_params.size(),
        match.created_unix_seconds, match.rule->route, match.rule->index, match.index);
  };
  return key(a) < key(b);
}

}  // namespace apk

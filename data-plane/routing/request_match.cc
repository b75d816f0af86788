// Compares without allocating, save where a repeated field must be joined or an expression needs a
// decoded value.
#include "data-plane/routing/request_match.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kMaxExpressionBytes = 4096;
constexpr int64_t kMaxExpressionMemory = 1 << 20;
constexpr int kMaxGroups = 10;  // \0 … \9

// The leading bytes that stand for themselves. Alternatives and flags may undo any prefix, so they
// give up; a quantifier takes back the byte before it.
std::string LiteralPrefix(std::string_view expression) {
  if (expression.find('|') != std::string_view::npos ||
      expression.find("(?") != std::string_view::npos) {
    return {};
  }
  const size_t end = std::min(expression.find_first_of("\\^$.[]()*+?{}"), expression.size());
  size_t size = end;
  if (end < expression.size() &&
      std::string_view("*+?{").find(expression[end]) != std::string_view::npos) {
    size = end > 0 ? end - 1 : 0;
    // A quantifier covers a whole character, of which UTF-8 may have several bytes.
    while (size > 0 && (static_cast<unsigned char>(expression[size]) & 0xc0) == 0x80) --size;
  }
  return std::string(expression.substr(0, size));
}

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

FullMatcher::FullMatcher(std::unique_ptr<re2::RE2> program) : program_(std::move(program)) {}
FullMatcher::FullMatcher(FullMatcher&&) noexcept = default;
FullMatcher& FullMatcher::operator=(FullMatcher&&) noexcept = default;
FullMatcher::~FullMatcher() = default;

absl::StatusOr<FullMatcher> FullMatcher::Compile(const std::string& expression) {
  if (expression.size() > kMaxExpressionBytes) {
    return absl::InvalidArgumentError("regular expression is longer than 4096 bytes");
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxExpressionMemory);
  auto program = std::make_unique<re2::RE2>(expression, options);
  if (!program->ok()) {
    return absl::InvalidArgumentError(
        Concat("regular expression '", expression, "': ", program->error()));
  }
  FullMatcher matcher(std::move(program));
  matcher.literal_prefix_ = LiteralPrefix(expression);
  return matcher;
}

bool FullMatcher::Matches(std::string_view text) const {
  if (!text.starts_with(literal_prefix_)) return false;
  return program_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                         re2::RE2::ANCHOR_BOTH, nullptr, 0);
}

std::vector<std::string> FullMatcher::Groups(std::string_view text) const {
  std::array<re2::StringPiece, kMaxGroups> pieces;
  const int count = std::min(program_->NumberOfCapturingGroups() + 1, kMaxGroups);
  std::vector<std::string> groups;
  if (!program_->Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                       re2::RE2::ANCHOR_BOTH, pieces.data(), count)) {
    return groups;
  }
  for (int i = 0; i < count; ++i) {
    const re2::StringPiece& piece = pieces[static_cast<size_t>(i)];
    groups.emplace_back(piece.data() == nullptr ? "" : piece.data(), piece.size());
  }
  return groups;
}

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

// Checks what the request path will not check again.
#include "data-plane/routing/compile_filters.h"

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

bool IsToken(std::string_view text) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    const char lower = AsciiLower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           kSymbols.find(c) != std::string_view::npos;
  });
}

bool IsFieldValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

absl::Status CheckFieldName(const std::string& name) {
  if (!IsToken(name) || name.size() > 256) {
    return absl::InvalidArgumentError(Concat("'", name, "' is no header name"));
  }
  switch (HeaderIdOf(name)) {
    case HeaderId::kConnection:
    case HeaderId::kContentLength:
    case HeaderId::kHttp2Settings:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTe:
    case HeaderId::kTrailer:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
      return absl::InvalidArgumentError(
          Concat("header ", name, " belongs to the connection and can't be modified"));
    case HeaderId::kHost:
      return absl::InvalidArgumentError("header Host is changed by a URLRewrite, not a modifier");
    default:
      return absl::OkStatus();
  }
}

absl::Status CompileModifier(const v1::HeaderModifierConfig& config, HeaderModifier& modifier) {
  for (const auto& field : config.set()) {
    RETURN_IF_ERROR(CheckSettableField(field.name(), field.value()));
    modifier.set.emplace_back(field.name(), field.value());
  }
  for (const auto& field : config.add()) {
    RETURN_IF_ERROR(CheckSettableField(field.name(), field.value()));
    modifier.add.emplace_back(field.name(), field.value());
  }
  for (const std::string& name : config.remove()) {
    RETURN_IF_ERROR(CheckFieldName(name));
    modifier.remove.push_back(name);
  }
  return absl::OkStatus();
}

absl::StatusOr<PathModifier> CompilePath(const v1::PathModifierConfig& config) {
  PathModifier path;
  switch (config.kind_case()) {
    case v1::PathModifierConfig::kReplaceFullPath:
      path = {PathModifier::Kind::kReplaceFullPath, config.replace_full_path()};
      break;
    case v1::PathModifierConfig::kReplacePrefixMatch:
      path = {PathModifier::Kind::kReplacePrefixMatch, config.replace_prefix_match()};
      break;
    case v1::PathModifierConfig::KIND_NOT_SET:
      break;
  }
  const bool plain = std::all_of(path.value.begin(), path.value.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '?' && c != '#';
  });
  if (!plain) return absl::InvalidArgumentError(Concat("'", path.value, "' is no path"));
  return path;
}

absl::StatusOr<RequestRedirect> CompileRedirect(const v1::RedirectConfig& config) {
  RequestRedirect redirect;
  redirect.scheme = config.scheme();
  redirect.hostname = config.hostname();
  if (!config.scheme().empty() && config.scheme() != "http" && config.scheme() != "https") {
    return absl::InvalidArgumentError(Concat("redirect scheme '", config.scheme(), "' is unknown"));
  }
  if (!IsFieldValue(config.hostname())) {
    return absl::InvalidArgumentError("redirect hostname has control characters");
  }
  if (config.port() > 65535) return absl::InvalidArgumentError("redirect port is above 65535");
  redirect.port = static_cast<uint16_t>(config.port());
  const uint32_t code = config.status_code() == 0 ? 302 : config.status_code();
  if (code != 301 && code != 302 && code != 303 && code != 307 && code != 308) {
    return absl::InvalidArgumentError(
        Concat("redirect status ", std::to_string(code), " is none of 301, 302, 303, 307, 308"));
  }
  redirect.status = static_cast<uint16_t>(code);
  ASSIGN_OR_RETURN(redirect.path, CompilePath(config.path()));
  return redirect;
}

std::string JoinFields(const google::protobuf::RepeatedPtrField<std::string>& fields) {
  return Join(std::vector<std::string>(fields.begin(), fields.end()), ", ");
}

bool HasWildcard(const google::protobuf::RepeatedPtrField<std::string>& items) {
  return std::find(items.begin(), items.end(), "*") != items.end();
}

absl::StatusOr<Cors> CompileCors(const v1::CorsConfig& config) {
  Cors cors;
  cors.any_origin = HasWildcard(config.allow_origins());
  for (const std::string& text : config.allow_origins()) {
    if (text == "*") continue;
    std::optional<OriginPattern> origin = ParseOrigin(text);
    if (!origin.has_value()) {
      return absl::InvalidArgumentError(Concat("'", text, "' is no origin"));
    }
    cors.origins.push_back(*std::move(origin));
  }
  for (const auto* const names :
       {&config.allow_methods(), &config.allow_headers(), &config.expose_headers()}) {
    for (const std::string& name : *names) {
      if (!IsToken(name)) {
        return absl::InvalidArgumentError(Concat("'", name, "' is no method or header name"));
      }
    }
  }
  cors.allow_credentials = config.allow_credentials();
  cors.any_method = HasWildcard(config.allow_methods());
  // Those that need no permission are named where no others are.
  cors.allow_methods =
      config.allow_methods().empty() ? "GET, HEAD, POST" : JoinFields(config.allow_methods());
  cors.any_header = HasWildcard(config.allow_headers());
  cors.allow_headers = JoinFields(config.allow_headers());
  cors.expose_any = HasWildcard(config.expose_headers());
  cors.expose_headers = JoinFields(config.expose_headers());
  if (config.max_age_seconds() > 0) cors.max_age = std::to_string(config.max_age_seconds());
  return cors;
}

absl::StatusOr<Filter> CompileFilter(const v1::FilterConfig& config) {
  switch (config.kind_case()) {
    case v1::FilterConfig::kRequestHeaderModifier: {
      RequestHeaderModifier modifier;
      RETURN_IF_ERROR(CompileModifier(config.request_header_modifier(), modifier));
      return Filter(std::move(modifier));
    }
    case v1::FilterConfig::kResponseHeaderModifier: {
      ResponseHeaderModifier modifier;
      RETURN_IF_ERROR(CompileModifier(config.response_header_modifier(), modifier));
      return Filter(std::move(modifier));
    }
    case v1::FilterConfig::kUrlRewrite: {
      UrlRewrite rewrite;
      rewrite.hostname = config.url_rewrite().hostname();
      if (!IsFieldValue(rewrite.hostname)) {
        return absl::InvalidArgumentError("rewritten hostname has control characters");
      }
      ASSIGN_OR_RETURN(rewrite.path, CompilePath(config.url_rewrite().path()));
      return Filter(std::move(rewrite));
    }
    case v1::FilterConfig::kRedirect: {
      ASSIGN_OR_RETURN(RequestRedirect redirect, CompileRedirect(config.redirect()));
      return Filter(std::move(redirect));
    }
    case v1::FilterConfig::kCors: {
      ASSIGN_OR_RETURN(Cors cors, CompileCors(config.cors()));
      return Filter(std::move(cors));
    }
    case v1::FilterConfig::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a filter of a kind that this agent does not know");
}

}  // namespace

absl::Status CheckSettableField(const std::string& name, const std::string& value) {
  RETURN_IF_ERROR(CheckFieldName(name));
  if (!IsFieldValue(value)) {
    return absl::InvalidArgumentError(Concat("value of header ", name, " has control characters"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Filter>> CompileFilters(
    const google::protobuf::RepeatedPtrField<v1::FilterConfig>& configs) {
  std::vector<Filter> filters;
  for (const v1::FilterConfig& config : configs) {
    ASSIGN_OR_RETURN(Filter filter, CompileFilter(config));
    filters.push_back(std::move(filter));
  }
  return filters;
}

}  // namespace apk

// Allowed origins are always echoed, never "*", which is right with and without credentials.
#include "data-plane/filters/cors.h"

#include <algorithm>
#include <array>

#include "common/strings.h"
#include "data-plane/filters/filter.h"

namespace apk {
namespace {

uint16_t DefaultPort(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

std::optional<uint16_t> ParsePort(std::string_view digits) {
  if (digits.empty() || digits.size() > 5) return std::nullopt;
  uint32_t port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

bool HostTaken(std::string_view pattern, std::string_view host) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

constexpr std::string_view kOriginFields[] = {
    "access-control-allow-origin",  "access-control-allow-credentials",
    "access-control-allow-methods", "access-control-allow-headers",
    "access-control-max-age",       "access-control-expose-headers"};

// A script sees these anyway.
bool IsSafelisted(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "cache-control", "content-language", "content-length", "content-type",
      "expires",       "last-modified",    "pragma"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [name](std::string_view other) { return EqualsIgnoreCase(name, other); });
}

// Every name of the response, for a wildcard that credentials do not allow.
std::string NamesOf(const HeaderMap& headers) {
  std::vector<std::string> names;
  for (size_t i = 0; i < headers.size(); ++i) {
    std::string name = ToLower(headers.name(i));
    if (IsSafelisted(name) || name == "set-cookie") continue;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return Join(names, ", ");
}

}  // namespace

std::optional<OriginPattern> ParseOrigin(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  OriginPattern origin;
  origin.scheme = ToLower(text.substr(0, colon));
  if (origin.scheme != "http" && origin.scheme != "https") return std::nullopt;
  std::string_view authority = text.substr(colon + 3);
  origin.port = DefaultPort(origin.scheme);
  const size_t host_end = authority.starts_with('[') ? authority.find(']') : 0;
  if (host_end == std::string_view::npos) return std::nullopt;
  if (const size_t at = authority.find(':', host_end); at != std::string_view::npos) {
    const std::optional<uint16_t> port = ParsePort(authority.substr(at + 1));
    if (!port.has_value()) return std::nullopt;
    origin.port = *port;
    authority = authority.substr(0, at);
  }
  if (authority.empty() || authority.find('/') != std::string_view::npos) return std::nullopt;
  origin.host = ToLower(authority);
  return origin;
}

bool AllowsOrigin(const Cors& cors, std::string_view origin) {
  if (origin.empty()) return false;
  if (cors.any_origin) return true;
  const std::optional<OriginPattern> asked = ParseOrigin(origin);
  if (!asked.has_value()) return false;
  return std::any_of(cors.origins.begin(), cors.origins.end(), [&](const OriginPattern& allowed) {
    return allowed.scheme == asked->scheme && allowed.port == asked->port &&
           HostTaken(allowed.host, asked->host);
  });
}

bool IsPreflight(const RequestHead& request) {
  return request.method == "OPTIONS" && request.headers.Get("origin").has_value() &&
         request.headers.Get("access-control-request-method").has_value();
}

Reply AnswerPreflight(const Cors& cors, const RequestHead& request) {
  Reply reply;
  reply.status = 200;
  const std::string_view origin = request.headers.Get("origin").value_or("");
  const auto add = [&reply](const char* name, std::string_view value) {
    if (!value.empty()) reply.headers.emplace_back(name, value);
  };
  add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  if (!AllowsOrigin(cors, origin)) return reply;
  add("Access-Control-Allow-Origin", origin);
  add("Access-Control-Allow-Credentials", cors.allow_credentials ? "true" : "");
  add("Access-Control-Allow-Methods",
      cors.any_method ? request.headers.Get("access-control-request-method").value_or("")
                      : std::string_view(cors.allow_methods));
  add("Access-Control-Allow-Headers",
      cors.any_header ? request.headers.Get("access-control-request-headers").value_or("")
                      : std::string_view(cors.allow_headers));
  add("Access-Control-Max-Age", cors.max_age);
  if (!cors.expose_any || !cors.allow_credentials) {
    add("Access-Control-Expose-Headers", cors.expose_headers);
  }
  return reply;
}

void GrantOrigin(const Cors& cors, std::string_view origin, ResponseHead& response) {
  response.headers.RemoveIf([](HeaderId id, std::string_view name) {
    return id == HeaderId::kOther &&
           std::any_of(std::begin(kOriginFields), std::end(kOriginFields),
                       [name](std::string_view field) { return EqualsIgnoreCase(name, field); });
  });
  response.headers.Append("Vary", "Origin");  // Caches: the answer to others differs.
  if (!AllowsOrigin(cors, origin)) return;
  const std::string exposed =
      cors.expose_any && cors.allow_credentials ? NamesOf(response.headers) : cors.expose_headers;
  response.headers.Add("Access-Control-Allow-Origin", origin);
  if (cors.allow_credentials) response.headers.Add("Access-Control-Allow-Credentials", "true");
  if (!exposed.empty()) response.headers.Add("Access-Control-Expose-Headers", exposed);
}

}  // namespace apk

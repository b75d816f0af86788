// dp.wso2.com kinds: the rules of APK's webhooks, where the documents in circulation keep to them.
#include "common/strings.h"
#include "control-plane/validation/kind_rules.h"
#include "control-plane/validation/names.h"

namespace apk {
namespace {

template <class Source>
int CountSources(const Source& source) {
  return (source.certificate_inline().empty() ? 0 : 1) + (source.has_secret_ref() ? 1 : 0) +
         (source.has_config_map_ref() ? 1 : 0);
}

void CheckSource(const v1::CertificateSource& source, const std::string& path, IssueList& issues) {
  if (CountSources(source) != 1) {
    issues.Error(path, "needs exactly one of certificateInline, secretRef and configMapRef");
  }
}

// RFC 9110 5.6.2.
bool IsToken(std::string_view text) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  for (const char c : text) {
    const char lower = AsciiLower(c);
    const bool allowed = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
                         kSymbols.find(c) != std::string_view::npos;
    if (!allowed) return false;
  }
  return !text.empty();
}

// A path as it is put before others: bytes of RFC 3986 3.3, percent signs begin an escape.
bool IsBasePath(std::string_view path) {
  constexpr std::string_view kSymbols = "-._~!$&'()*+,;=:@/";
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'f');
  };
  for (size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    const char lower = AsciiLower(c);
    if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
        kSymbols.find(c) != std::string_view::npos) {
      continue;
    }
    if (c != '%' || i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) {
      return false;
    }
  }
  return true;
}

void WarnOfLimits(const v1::BackendCircuitBreaker& breaker, IssueList& issues) {
  if (breaker.has_max_connection_pools()) {
    issues.Warning("spec.circuitBreaker.maxConnectionPools",
                   "has no effect: an endpoint has one pool in each worker", "use maxConnections");
  }
  if (breaker.has_max_requests() && breaker.max_requests() == 0) {
    issues.Warning("spec.circuitBreaker.maxRequests", "0 lets no request through");
  }
  if (breaker.has_max_pending_requests() && breaker.max_pending_requests() == 0) {
    issues.Warning("spec.circuitBreaker.maxPendingRequests",
                   "0 lets no request wait for a connection, not even for the first one",
                   "use 1 or more");
  }
}

}  // namespace

void CheckBackend(const v1::Backend& backend, IssueList& issues) {
  const v1::BackendSpec& spec = backend.spec();
  const bool tls = spec.protocol() == "https" || spec.protocol() == "wss";
  if (spec.has_tls() && !tls) {
    issues.Warning("spec.tls", "has no effect: protocol is not https", "set protocol: https");
  }
  for (int i = 0; i < spec.services_size(); ++i) {
    const std::string& host = spec.services(i).host();
    if (host.empty() || IsHost(host)) continue;
    issues.Error(Concat("spec.services[", std::to_string(i), "].host"),
                 Concat("\"", host, "\" is no host"),
                 "a DNS name or an IP address, without scheme, port and path");
  }
  if (!IsBasePath(spec.base_path())) {
    issues.Error("spec.basePath",
                 "must be a path: no query, fragment, white space or bytes beyond ASCII",
                 "write other bytes as %XX");
  }
  WarnOfLimits(spec.circuit_breaker(), issues);
  if (spec.security().has_basic() && spec.security().has_api_key()) {
    issues.Error("spec.security", "basic and apiKey are both set", "keep one");
  }
  if (spec.security().has_api_key() && spec.security().api_key().name().empty()) {
    issues.Error("spec.security.apiKey.name", "is required");
  }
}

void CheckApi(const v1::API& api, IssueList& issues) {
  const v1::ApiSpec& spec = api.spec();
  const std::string last_segment = Concat("/", spec.api_version());
  if (spec.base_path().starts_with('/') && !spec.base_path().ends_with(last_segment)) {
    std::string longer = spec.base_path();
    while (longer.ends_with('/')) longer.pop_back();
    issues.Error("spec.basePath", Concat("must end with the version, \"", last_segment, "\""),
                 Concat("for example ", longer, last_segment));
  }
  if (spec.production().empty() && spec.sandbox().empty()) {
    issues.Error("spec.production", "production or sandbox must name a route");
  }
  if (!spec.definition_file_ref().empty()) {
    issues.Warning("spec.definitionFileRef", "has no effect: definitions are not served here");
  }
  if (spec.api_type() == "GraphQL" || spec.api_type() == "GRPC") {
    issues.Error("spec.apiType", Concat(spec.api_type(), " is not served by this version"),
                 "use REST");
  }
}

void CheckAuthentication(const v1::Authentication& authentication, IssueList& issues) {
  const v1::AuthenticationSpec& spec = authentication.spec();
  if (!spec.has_target_ref()) {
    issues.Error("spec.targetRef", "is required",
                 "kind: API with the API's name, or kind: Resource");
  } else if (spec.target_ref().kind() != "API" && spec.target_ref().kind() != "Resource") {
    issues.Error("spec.targetRef.kind", Concat("\"", spec.target_ref().kind(), "\" is not allowed"),
                 "use one of API, Resource");
  } else if (const std::string& group = spec.target_ref().group();
             IsDnsSubdomain(group) && group != "dp.wso2.com" &&
             group != "gateway.networking.k8s.io") {
    issues.Error("spec.targetRef.group", Concat("\"", group, "\" has no API and no Resource"),
                 "leave it out, or use dp.wso2.com");
  }
  for (const auto& [policy, path] :
       {std::pair<const v1::AuthenticationPolicy*, const char*>{&spec.default_(), "spec.default"},
        {&spec.override(), "spec.override"}}) {
    const v1::AuthenticationTypes& types = policy->auth_types();
    const std::string prefix = Concat(path, ".authTypes");
    if (types.has_mtls() && !types.mtls().disabled()) {
      issues.Warning(prefix + ".mtls", "is not enforced by this version");
    }
    if (types.has_api_key()) issues.Warning(prefix + ".apiKey", "is not enforced by this version");
    if (types.has_test_console_key()) {
      issues.Warning(prefix + ".testConsoleKey", "is not enforced by this version");
    }
    if (types.oauth2().has_header() && !IsToken(types.oauth2().header())) {
      issues.Error(prefix + ".oauth2.header",
                   Concat("\"", types.oauth2().header(), "\" is no header name"));
    }
    if (types.jwt().has_header() && types.jwt().header() != "internal-key") {  // The default.
      issues.Warning(prefix + ".jwt.header", "has no effect: tokens are read from one header",
                     Concat("set ", prefix, ".oauth2.header"));
    }
    if (types.jwt().send_token_to_upstream()) {
      issues.Warning(prefix + ".jwt.sendTokenToUpstream", "has no effect",
                     Concat("set ", prefix, ".oauth2.sendTokenToUpstream"));
    }
    if (types.has_jwt() && types.jwt().has_disabled() && !types.jwt().disabled()) {
      issues.Warning(prefix + ".jwt", "is not enforced by this version");
    }
  }
}

void CheckTokenIssuer(const v1::TokenIssuer& issuer, IssueList& issues) {
  if (issuer.spec().has_target_ref()) {
    issues.Warning("spec.targetRef", "has no effect: organization and environments decide");
  }
  if (!issuer.spec().claim_mappings().empty()) {
    issues.Warning("spec.claimMappings", "has no effect in this version");
  }
  const v1::SignatureValidation& validation = issuer.spec().signature_validation();
  const std::string path = "spec.signatureValidation";
  if (validation.has_jwks() == validation.has_certificate()) {
    issues.Error(path, "needs exactly one of jwks and certificate");
  }
  if (validation.has_certificate())
    CheckSource(validation.certificate(), path + ".certificate", issues);
  if (!validation.has_jwks()) return;
  if (validation.jwks().has_tls()) CheckSource(validation.jwks().tls(), path + ".jwks.tls", issues);
  const std::string& url = validation.jwks().url();
  if (!url.starts_with("https://") && !url.starts_with("http://")) {
    issues.Error(path + ".jwks.url", "must begin with https:// or http://");
  }
}

}  // namespace apk

// dp.wso2.com kinds: the rules of APK's webhooks, where the documents in circulation keep to them.
#include "common/strings.h"
#include "control-plane/validation/kind_rules.h"

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

}  // namespace

void CheckBackend(const v1::Backend& backend, IssueList& issues) {
  const v1::BackendSpec& spec = backend.spec();
  const bool tls = spec.protocol() == "https" || spec.protocol() == "wss";
  if (spec.has_tls() && !tls) {
    issues.Warning("spec.tls", "has no effect: protocol is not https", "set protocol: https");
  }
  const std::string& base_path = spec.base_path();
  if (base_path.find_first_of("?# \t\r\n") != std::string::npos) {
    issues.Error("spec.basePath", "must be a path without query, fragment and white space");
  }
  if (spec.security().has_basic() && spec.security().has_api_key()) {
    issues.Error("spec.security", "basic and apiKey are both set", "keep one");
  }
  if (spec.security().has_api_key() && spec.security().api_key().name().empty()) {
    issues.Error("spec.security.apiKey.name", "is required");
  }
}

void CheckApi(const v1::API& api, IssueList& issues) {
  const v1::ApiSpec& spec = api.spec();
  if (!spec.base_path().ends_with(spec.api_version())) {
    issues.Error("spec.basePath",
                 Concat("must end with the version, \"/", spec.api_version(), "\""),
                 Concat("for example ", spec.base_path(), "/", spec.api_version()));
  }
  if (spec.production().empty() && spec.sandbox().empty()) {
    issues.Error("spec.production", "production or sandbox must name a route");
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
    if (types.has_jwt() && types.jwt().has_disabled() && !types.jwt().disabled()) {
      issues.Warning(prefix + ".jwt", "is not enforced by this version");
    }
  }
}

void CheckTokenIssuer(const v1::TokenIssuer& issuer, IssueList& issues) {
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

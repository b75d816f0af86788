// Without any Authentication an API asks for an OAuth 2.0 token; policies can only say otherwise.
#include "control-plane/translation/api_binding.h"

#include <algorithm>

#include "apk/v1/routes.pb.h"
#include "common/strings.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/certificate_check.h"
#include "control-plane/translation/resolve_backends.h"

namespace apk {
namespace {

// "/sample-api/0.1.0" and version 0.1.0 give "/sample-api": the first such segment goes.
std::string WithoutVersion(const std::string& base_path, const std::string& version) {
  const std::string segment = "/" + version;
  for (size_t at = base_path.find(segment); at != std::string::npos;
       at = base_path.find(segment, at + 1)) {
    const size_t end = at + segment.size();
    const bool whole = end == base_path.size() || base_path[end] == '/';
    if (whole) return base_path.substr(0, at) + base_path.substr(end);
  }
  return base_path;
}

// Agents take "/" for the root, and no empty path.
std::vector<std::string> BasePathsOf(const v1::API& api) {
  std::vector<std::string> paths;
  const auto add = [&paths](std::string path) {
    while (path.ends_with('/')) path.pop_back();
    if (!path.starts_with('/')) path.insert(0, "/");
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  };
  add(api.spec().base_path());
  if (api.spec().is_default_version()) {
    add(WithoutVersion(api.spec().base_path(), api.spec().api_version()));
  }
  return paths;
}

std::string OrganizationOf(const v1::API& api) {
  return api.spec().organization().empty() ? "default" : api.spec().organization();
}

std::string NameOf(const v1::API& api) {
  return Concat("API ", api.metadata().namespace_(), "/", api.metadata().name());
}

// `visit` gets the name of each route and the field that names it.
template <class Visit>
void ForEachRoute(const v1::API& api, const Visit& visit) {
  const auto each = [&visit](const auto& deployments, std::string_view list) {
    for (int i = 0; i < deployments.size(); ++i) {
      const std::string field = Concat("spec.", list, "[", std::to_string(i), "].routeRefs");
      for (int j = 0; j < deployments[i].route_refs_size(); ++j) {
        visit(deployments[i].route_refs(j), Concat(field, "[", std::to_string(j), "]"));
      }
    }
  };
  each(api.spec().production(), "production");
  each(api.spec().sandbox(), "sandbox");
}

bool Applies(const v1::TokenIssuer& issuer, const v1::API& api) {
  if (issuer.spec().organization() != OrganizationOf(api)) return false;
  const auto& environments = issuer.spec().environments();
  if (environments.empty()) return true;
  return std::any_of(environments.begin(), environments.end(), [&api](const std::string& name) {
    return name == "*" || name == api.spec().environment();
  });
}

std::string IssuerName(const v1::TokenIssuer& issuer) {
  return Concat("token-issuer/", issuer.metadata().namespace_(), "/", issuer.metadata().name());
}

// `path`: of the field that `source` is.
std::string ReadCertificate(const ResourceSet& resources, const std::string& namespace_name,
                            const v1::CertificateSource& source, const std::string& path,
                            Problem& problem) {
  std::string pem;
  std::string where = path;
  if (!source.certificate_inline().empty()) {
    where += ".certificateInline";
    pem = source.certificate_inline();
  } else if (source.has_secret_ref()) {
    where += ".secretRef";
    pem = ReadSecretKey(resources, namespace_name, source.secret_ref().name(),
                        source.secret_ref().key(), where, problem);
  } else if (source.has_config_map_ref()) {
    where += ".configMapRef";
    pem = ReadConfigMapKey(resources, namespace_name, source.config_map_ref().name(),
                           source.config_map_ref().key(), where, problem);
  }
  if (problem.empty() && !HasCertificate(pem)) {
    problem.Add("InvalidCACertificateRef", Concat(where, ": there is no PEM certificate in it"));
  }
  return pem;
}

Problem FillIssuer(const ResourceSet& resources, const v1::TokenIssuer& issuer,
                   v1::TokenIssuerConfig& config) {
  Problem problem;
  const v1::TokenIssuerSpec& spec = issuer.spec();
  const std::string& namespace_name = issuer.metadata().namespace_();
  config.set_issuer(spec.issuer());
  config.set_consumer_key_claim(spec.consumer_key_claim());
  config.set_scopes_claim(spec.scopes_claim());
  const v1::SignatureValidation& validation = spec.signature_validation();
  if (validation.has_jwks()) {
    config.set_jwks_url(validation.jwks().url());
    if (validation.jwks().has_tls()) {
      config.set_jwks_ca_pem(ReadCertificate(resources, namespace_name, validation.jwks().tls(),
                                             "spec.signatureValidation.jwks.tls", problem));
    }
  } else if (validation.has_certificate()) {
    config.set_certificate_pem(ReadCertificate(resources, namespace_name, validation.certificate(),
                                               "spec.signatureValidation.certificate", problem));
  } else {
    problem.Add("Invalid", "spec.signatureValidation: neither jwks nor certificate is given");
  }
  return problem;
}

// What policies have said so far. Each field stays as it is until a stronger policy sets it.
struct CheckSettings {
  bool disabled = false;
  bool oauth2_disabled = false;
  bool optional = false;
  bool send_token_to_upstream = false;
  std::string header = "authorization";
  std::vector<std::string> audiences;

  void Apply(const v1::AuthenticationPolicy& policy) {
    if (policy.has_disabled()) disabled = policy.disabled();
    const v1::OAuth2Authentication& oauth2 = policy.auth_types().oauth2();
    if (oauth2.has_disabled()) oauth2_disabled = oauth2.disabled();
    if (oauth2.has_required()) optional = oauth2.required() == "optional";
    if (!oauth2.header().empty()) header = ToLower(oauth2.header());
    if (oauth2.has_send_token_to_upstream()) {
      send_token_to_upstream = oauth2.send_token_to_upstream();
    }
    const auto& wanted = policy.auth_types().jwt().audience();
    if (!wanted.empty()) audiences.assign(wanted.begin(), wanted.end());
  }
};

}  // namespace

ApiBindings::ApiBindings(const ResourceSet& resources, SnapshotAssembly& assembly)
    : resources_(resources), assembly_(assembly) {
  AddIssuers();
  FindPolicies();
  std::vector<const v1::API*> apis = resources.All<v1::API>();
  std::stable_sort(apis.begin(), apis.end(), OlderFirst<v1::API>);
  std::vector<const v1::API*> not_deployed;
  for (const v1::API* const api : apis) {
    if (ClaimBasePaths(*api)) {
      Bind(*api);
    } else {
      not_deployed.push_back(api);
    }
  }
  // Last: one that is deployed may have a route of theirs.
  for (const v1::API* const api : not_deployed) Withhold(*api);
}

void ApiBindings::AddIssuers() {
  for (const v1::TokenIssuer* const issuer : resources_.All<v1::TokenIssuer>()) {
    v1::TokenIssuerConfig config;
    Problem problem = FillIssuer(resources_, *issuer, config);
    if (problem.empty()) {
      *assembly_.Resource(IssuerName(*issuer)).mutable_token_issuer() = std::move(config);
    }
    issuer_problems_[issuer] = std::move(problem);
  }
}

void ApiBindings::FindPolicies() {
  std::vector<const v1::Authentication*> policies = resources_.All<v1::Authentication>();
  std::stable_sort(policies.begin(), policies.end(), OlderFirst<v1::Authentication>);
  for (const v1::Authentication* const policy : policies) FindPolicy(*policy);
}

// Of several policies for one API the oldest counts. One for a Resource counts where a rule names
// it, whatever it targets. REQUIRES: older policies were found before.
void ApiBindings::FindPolicy(const v1::Authentication& policy) {
  Problem& problem = policy_problems_[&policy];
  const v1::PolicyTargetReference& target = policy.spec().target_ref();
  const std::string& own = policy.metadata().namespace_();
  if (target.kind() != "API") return;
  if (target.has_namespace_() && target.namespace_() != own) {
    problem.Add("RefNotPermitted",
                Concat("spec.targetRef.namespace: ", target.namespace_(),
                       " is another namespace: a policy is for an API of its own"));
  } else if (resources_.Find<v1::API>(own, target.name()) == nullptr) {
    problem.Add("TargetNotFound",
                Concat("spec.targetRef: API ", own, "/", target.name(), " not found"));
  } else {
    const v1::Authentication*& chosen = policies_[{own, target.name()}];
    if (chosen == nullptr) {
      chosen = &policy;
    } else {
      problem.Add("Conflicted", Concat("spec.targetRef: Authentication ", chosen->metadata().name(),
                                       " is for the same API and older"));
    }
  }
}

std::vector<std::string> ApiBindings::IssuersOf(const v1::API& api) const {
  std::vector<std::string> names;
  for (const auto& [issuer, problem] : issuer_problems_) {
    if (problem.empty() && Applies(*issuer, api)) names.push_back(IssuerName(*issuer));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Of several APIs with one base path the oldest has it. False where another has one of this API's,
// which then has none. REQUIRES: older APIs claimed theirs before.
bool ApiBindings::ClaimBasePaths(const v1::API& api) {
  Problem& problem = problems_[&api];
  const std::vector<std::string> paths = BasePathsOf(api);
  const auto key = [&api](const std::string& path) {
    return std::tuple(OrganizationOf(api), api.spec().environment(), path);
  };
  for (const std::string& path : paths) {
    const auto taken = owners_.find(key(path));
    if (taken == owners_.end()) continue;
    problem.Add("BasePathInUse",
                Concat(path == paths[0] ? "spec.basePath" : "spec.isDefaultVersion",
                       ": an API has been already created for the basePath ", path, ": ",
                       NameOf(*taken->second), ", which is older"));
  }
  if (!problem.empty()) return false;
  for (const std::string& path : paths) owners_[key(path)] = &api;
  return true;
}

void ApiBindings::Bind(const v1::API& api) {
  ForEachRoute(api, [this, &api](const std::string& route, const std::string& field) {
    BindRoute(api, route, field);
  });
}

void ApiBindings::Withhold(const v1::API& api) {
  ForEachRoute(api, [this, &api](const std::string& route, const std::string&) {
    ApiBinding& binding = bindings_[{api.metadata().namespace_(), route}];
    if (binding.api != nullptr) return;
    binding.api = &api;
    binding.not_deployed = Concat(
        NameOf(api), ", which names this route, is not deployed: an older API has its basePath");
  });
}

void ApiBindings::BindRoute(const v1::API& api, const std::string& route,
                            const std::string& field) {
  const std::string& namespace_name = api.metadata().namespace_();
  if (resources_.Find<v1::HTTPRoute>(namespace_name, route) == nullptr) {
    problems_[&api].Add("RouteNotFound",
                        Concat(field, ": HTTPRoute ", namespace_name, "/", route, " not found"));
    return;
  }
  ApiBinding& binding = bindings_[{namespace_name, route}];
  if (binding.api != nullptr) {
    problems_[&api].Add("RouteInUse", Concat(field, ": HTTPRoute ", namespace_name, "/", route,
                                             " belongs to API ", binding.api->metadata().name()));
    return;
  }
  binding.api = &api;
  binding.base_paths = BasePathsOf(api);
  binding.token_issuers = IssuersOf(api);
  const auto policy = policies_.find({namespace_name, api.metadata().name()});
  if (policy != policies_.end()) binding.authentication = policy->second;
}

const ApiBinding* ApiBindings::Find(const std::string& namespace_name,
                                    const std::string& route) const {
  const auto found = bindings_.find({namespace_name, route});
  return found == bindings_.end() ? nullptr : &found->second;
}

std::optional<v1::AuthenticationConfig> ApiBindings::ForRule(const ApiBinding& binding,
                                                             const v1::Authentication* of_rule) {
  CheckSettings settings;
  if (binding.authentication != nullptr) settings.Apply(binding.authentication->spec().default_());
  if (of_rule != nullptr) settings.Apply(of_rule->spec().default_());
  if (of_rule != nullptr) settings.Apply(of_rule->spec().override());
  if (binding.authentication != nullptr) settings.Apply(binding.authentication->spec().override());
  if (settings.disabled || settings.oauth2_disabled) return std::nullopt;
  v1::AuthenticationConfig check;
  check.set_optional(settings.optional);
  check.set_header(settings.header);
  check.set_send_token_to_upstream(settings.send_token_to_upstream);
  check.mutable_audiences()->Assign(settings.audiences.begin(), settings.audiences.end());
  check.mutable_token_issuers()->Assign(binding.token_issuers.begin(), binding.token_issuers.end());
  return check;
}

}  // namespace apk

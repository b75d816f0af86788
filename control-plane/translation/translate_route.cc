// Field by field; what does not resolve stays in the rule as a share that is answered 500.
#include "control-plane/translation/translate_route.h"

#include <algorithm>

#include "common/strings.h"
#include "control-plane/resources/duration.h"
#include "control-plane/resources/own_objects.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/session_persistence.h"

namespace apk {
namespace {

v1::PathMatchConfig::Type PathTypeOf(const std::string& type) {
  if (type == "Exact") return v1::PathMatchConfig::EXACT;
  if (type == "RegularExpression") return v1::PathMatchConfig::REGULAR_EXPRESSION;
  return v1::PathMatchConfig::PATH_PREFIX;
}

template <class Match>
void FillValueMatch(const Match& match, v1::ValueMatchConfig* config) {
  config->set_name(match.name());
  config->set_value(match.value());
  config->set_regular_expression(match.type() == "RegularExpression");
}

void FillMatch(const v1::HTTPRouteMatch& match, v1::RequestMatchConfig* config) {
  v1::PathMatchConfig* const path = config->mutable_path();
  path->set_type(PathTypeOf(match.path().type()));
  path->set_value(match.path().has_value() ? match.path().value() : "/");
  config->set_method(match.method());
  for (const v1::HTTPHeaderMatch& header : match.headers())
    FillValueMatch(header, config->add_headers());
  for (const v1::HTTPQueryParamMatch& parameter : match.query_params()) {
    FillValueMatch(parameter, config->add_query_params());
  }
}

void FillHeaderModifier(const v1::HTTPHeaderFilter& filter, v1::HeaderModifierConfig* config) {
  for (const v1::HTTPHeader& header : filter.set()) {
    v1::HeaderValueConfig* const entry = config->add_set();
    entry->set_name(header.name());
    entry->set_value(header.value());
  }
  for (const v1::HTTPHeader& header : filter.add()) {
    v1::HeaderValueConfig* const entry = config->add_add();
    entry->set_name(header.name());
    entry->set_value(header.value());
  }
  *config->mutable_remove() = filter.remove();
}

void FillPathModifier(const v1::HTTPPathModifier& modifier, v1::PathModifierConfig* config) {
  if (modifier.type() == "ReplacePrefixMatch") {
    config->set_replace_prefix_match(modifier.replace_prefix_match());
  } else {
    config->set_replace_full_path(modifier.replace_full_path());
  }
}

void FillCors(const v1::HTTPCORSFilter& cors, v1::CorsConfig* config) {
  *config->mutable_allow_origins() = cors.allow_origins();
  config->set_allow_credentials(cors.allow_credentials());
  *config->mutable_allow_methods() = cors.allow_methods();
  *config->mutable_allow_headers() = cors.allow_headers();
  *config->mutable_expose_headers() = cors.expose_headers();
  config->set_max_age_seconds(static_cast<uint32_t>(cors.max_age()));
}

// False for kinds that are no value filter (mirrors, extensions).
bool FillFilter(const v1::HTTPRouteFilter& filter, v1::FilterConfig* config) {
  if (filter.type() == "RequestHeaderModifier") {
    FillHeaderModifier(filter.request_header_modifier(), config->mutable_request_header_modifier());
  } else if (filter.type() == "ResponseHeaderModifier") {
    FillHeaderModifier(filter.response_header_modifier(),
                       config->mutable_response_header_modifier());
  } else if (filter.type() == "URLRewrite") {
    v1::UrlRewriteConfig* const rewrite = config->mutable_url_rewrite();
    rewrite->set_hostname(filter.url_rewrite().hostname());
    if (filter.url_rewrite().has_path()) {
      FillPathModifier(filter.url_rewrite().path(), rewrite->mutable_path());
    }
  } else if (filter.type() == "RequestRedirect") {
    const v1::HTTPRequestRedirectFilter& from = filter.request_redirect();
    v1::RedirectConfig* const redirect = config->mutable_redirect();
    redirect->set_scheme(from.scheme());
    redirect->set_hostname(from.hostname());
    redirect->set_port(static_cast<uint32_t>(from.port()));
    redirect->set_status_code(from.has_status_code() ? static_cast<uint32_t>(from.status_code())
                                                     : 302);
    if (from.has_path()) FillPathModifier(from.path(), redirect->mutable_path());
  } else if (filter.type() == "CORS") {
    FillCors(filter.cors(), config->mutable_cors());
  } else {
    return false;
  }
  return true;
}

void FillRetry(const v1::HTTPRouteRetry& retry, v1::RetryConfig* config) {
  constexpr uint32_t kAttempts = 1;
  constexpr uint32_t kBackoffMs = 25;
  for (const int32_t code : retry.codes()) config->add_codes(static_cast<uint32_t>(code));
  config->set_attempts(retry.has_attempts() ? static_cast<uint32_t>(retry.attempts()) : kAttempts);
  config->set_backoff_ms(retry.has_backoff() ? ParseDurationMs(retry.backoff()).value_or(kBackoffMs)
                                             : kBackoffMs);
}

bool ReplacesPath(const v1::HTTPRouteFilter& filter) { return filter.url_rewrite().has_path(); }

bool ReplacesPrefix(const v1::HTTPRouteFilter& filter) {
  return filter.url_rewrite().path().type() == "ReplacePrefixMatch" ||
         filter.request_redirect().path().type() == "ReplacePrefixMatch";
}

// Rules of one route, one after the other.
class RuleTranslator {
 public:
  RuleTranslator(const ResourceSet& resources, const v1::HTTPRoute& route,
                 const ApiBinding* binding, BackendResolver& backends, RouteTranslation& result)
      : resources_(resources),
        namespace_(route.metadata().namespace_()),
        grpc_(route.kind() == "GRPCRoute"),
        from_{kGatewayGroup, grpc_ ? "GRPCRoute" : "HTTPRoute", namespace_},
        binding_(binding),
        backends_(backends),
        result_(result) {}

  // False where the rule can't be served.
  bool Translate(const v1::HTTPRouteRule& rule, int index) {
    v1::RuleConfig* const config = result_.config.add_rules();
    path_ = Concat("spec.rules[", std::to_string(index), "]");
    config->set_name(rule.name());
    for (const v1::HTTPRouteMatch& match : rule.matches()) FillMatch(match, config->add_matches());
    if (rule.matches().empty()) FillMatch(v1::HTTPRouteMatch(), config->add_matches());
    const v1::Authentication* authentication = nullptr;
    for (int i = 0; i < rule.filters_size(); ++i) {
      const std::string where = Concat(path_, ".filters[", std::to_string(i), "]");
      const v1::HTTPRouteFilter& filter = rule.filters(i);
      if (filter.type() == "RequestMirror") {
        FillMirror(filter.request_mirror(), where, config->add_mirrors());
      } else if (filter.type() == "ExtensionRef") {
        authentication = FindExtension(filter.extension_ref(), where, config);
      } else if (v1::FilterConfig value; FillFilter(filter, &value)) {
        *config->add_filters() = std::move(value);
      } else {
        config->set_invalid(true);
        Refuse("UnsupportedValue", Concat(where, ": ", filter.type(), " is not supported"));
      }
    }
    for (int i = 0; i < rule.backend_refs_size(); ++i) AddBackend(rule, i, config);
    SetTimeouts(rule.timeouts(), config);
    if (rule.has_retry()) FillRetry(rule.retry(), config->mutable_retry());
    if (rule.has_session_persistence()) {
      SetSessionPersistence(rule.session_persistence(), index, config);
    }
    SetAuthentication(authentication, config);
    return !config->invalid();
  }

 private:
  template <class Reference>
  BackendReference Refer(const Reference& written) const {
    BackendReference reference = ReferenceOf(written, namespace_);
    reference.of_grpc = grpc_;
    return reference;
  }

  void Refuse(std::string_view reason, std::string_view message) {
    result_.invalid_rules.Add(reason, message);
  }

  void FillMirror(const v1::HTTPRequestMirrorFilter& mirror, const std::string& where,
                  v1::MirrorConfig* entry) {
    const BackendReference reference = Refer(mirror.backend_ref());
    entry->set_name(reference.ToString());
    entry->set_backend(
        backends_.Resolve(reference, from_, where + ".requestMirror.backendRef", result_.resolved));
    entry->set_numerator(1);
    entry->set_denominator(1);
    if (mirror.has_percent()) {
      entry->set_numerator(static_cast<uint32_t>(mirror.percent()));
      entry->set_denominator(100);
    } else if (mirror.has_fraction()) {
      const int denominator =
          mirror.fraction().has_denominator() ? mirror.fraction().denominator() : 100;
      entry->set_numerator(static_cast<uint32_t>(mirror.fraction().numerator()));
      entry->set_denominator(static_cast<uint32_t>(denominator));
    }
  }

  // nullptr where the extension is none of ours: the rule is then not served, lest a check be left
  // out.
  const v1::Authentication* FindExtension(const v1::LocalObjectReference& reference,
                                          const std::string& where, v1::RuleConfig* config) {
    const bool known = reference.group() == kApkGroup && reference.kind() == "Authentication";
    const auto* const found =
        known ? resources_.Find<v1::Authentication>(namespace_, reference.name()) : nullptr;
    if (found != nullptr) return found;
    config->set_invalid(true);
    Refuse("UnsupportedValue",
           Concat(where, ".extensionRef: ", reference.kind(), " ", reference.name(),
                  known ? Concat(" not found in namespace ", namespace_)
                        : Concat(" of group \"", reference.group(), "\" is no filter known here")));
    return nullptr;
  }

  void AddBackend(const v1::HTTPRouteRule& rule, int index, v1::RuleConfig* config) {
    const v1::HTTPBackendRef& backend = rule.backend_refs(index);
    const std::string where = Concat(path_, ".backendRefs[", std::to_string(index), "]");
    v1::WeightedBackendConfig entry;
    entry.set_weight(backend.has_weight() ? static_cast<uint32_t>(backend.weight()) : 1);
    entry.set_backend(backends_.Resolve(Refer(backend), from_, where, result_.resolved));
    if (!AddBackendFilters(rule, backend, where, &entry)) {
      // Without the filter nothing may reach the backend; the other shares are served.
      entry.Clear();
      entry.set_weight(backend.has_weight() ? static_cast<uint32_t>(backend.weight()) : 1);
      config->set_invalid(rule.backend_refs_size() == 1);
    }
    *config->add_backends() = std::move(entry);
  }

  // False where a filter can't be served.
  bool AddBackendFilters(const v1::HTTPRouteRule& rule, const v1::HTTPBackendRef& backend,
                         const std::string& where, v1::WeightedBackendConfig* entry) {
    const bool path_replaced =
        std::any_of(rule.filters().begin(), rule.filters().end(), ReplacesPath);
    bool served = true;
    for (int i = 0; i < backend.filters_size(); ++i) {
      const v1::HTTPRouteFilter& filter = backend.filters(i);
      const std::string at = Concat(where, ".filters[", std::to_string(i), "]");
      v1::FilterConfig value;
      if (filter.type() == "RequestMirror") {
        FillMirror(filter.request_mirror(), at, entry->add_mirrors());
      } else if (path_replaced && ReplacesPrefix(filter)) {
        Refuse("IncompatibleFilters",
               Concat(at,
                      ": ReplacePrefixMatch has no prefix left once a filter of the rule has "
                      "replaced the path"));
        served = false;
      } else if (FillFilter(filter, &value)) {
        *entry->add_filters() = std::move(value);
      } else {
        Refuse("UnsupportedValue",
               Concat(at, ": ", filter.type(), " is not supported on a backendRef"));
        served = false;
      }
    }
    return served;
  }

  void SetSessionPersistence(const v1::SessionPersistence& session, int index,
                             v1::RuleConfig* config) {
    const std::string rule =
        Concat(result_.config.name(), "/",
               config->name().empty() ? std::to_string(index) : config->name());
    const std::string key = SessionKeyFor(resources_, rule);
    if (key.empty()) {
      config->set_invalid(true);
      Refuse("UnsupportedValue",
             Concat(path_, ".sessionPersistence: Secret ", kOwnNamespace, "/", kSessionSecretName,
                    " that signs sessions is missing; the control plane makes one as it starts"));
      return;
    }
    FillSessionPersistence(session, rule, key, config->mutable_session_persistence());
  }

  // A check that no API gives issuers to could not be made: better no answer than one without it.
  void SetAuthentication(const v1::Authentication* of_rule, v1::RuleConfig* config) {
    if (binding_ == nullptr && of_rule == nullptr) return;
    std::optional<v1::AuthenticationConfig> check =
        ApiBindings::ForRule(binding_ == nullptr ? ApiBinding() : *binding_, of_rule);
    if (!check.has_value()) return;
    if (binding_ != nullptr) {
      *config->mutable_authentication() = *std::move(check);
      return;
    }
    config->set_invalid(true);
    Refuse("UnsupportedValue", Concat(path_, ": Authentication ", of_rule->metadata().name(),
                                      " can't be enforced: no API names this route"));
  }

  void SetTimeouts(const v1::HTTPRouteTimeouts& timeouts, v1::RuleConfig* config) {
    if (timeouts.has_request()) {
      const uint32_t request = ParseDurationMs(timeouts.request()).value_or(0);
      config->set_request_timeout_ms(request);
      config->set_request_timeout_disabled(request == 0);
    }
    config->set_backend_request_timeout_ms(ParseDurationMs(timeouts.backend_request()).value_or(0));
  }

  const ResourceSet& resources_;
  const std::string& namespace_;
  const bool grpc_;
  const ReferenceFrom from_;
  const ApiBinding* binding_;
  BackendResolver& backends_;
  RouteTranslation& result_;
  std::string path_;
};

}  // namespace

RouteTranslation TranslateRoute(const ResourceSet& resources, const v1::HTTPRoute& route,
                                const Attachments& attachments, const ApiBindings& apis,
                                BackendResolver& backends) {
  RouteTranslation result;
  const v1::ObjectMeta& metadata = route.metadata();
  const ApiBinding* const binding =
      route.kind() == "GRPCRoute" ? nullptr : apis.Find(metadata.namespace_(), metadata.name());
  result.config.set_name(Concat(metadata.namespace_(), "/", metadata.name()));
  result.config.set_created_unix_seconds(UnixSeconds(metadata.creation_timestamp()));
  for (const v1::RouteAttachment& attachment : attachments.listeners) {
    *result.config.add_attachments() = attachment;
  }
  if (binding != nullptr && binding->not_deployed.empty()) {
    for (const std::string& path : binding->base_paths) result.config.add_base_paths(path);
    const v1::ObjectMeta& api = binding->api->metadata();
    result.config.set_api(Concat(api.namespace_(), "/", api.name()));
  }
  RuleTranslator translator(resources, route, binding, backends, result);
  int served = 0;
  for (int i = 0; i < route.spec().rules_size(); ++i) {
    if (translator.Translate(route.spec().rules(i), i)) ++served;
  }
  result.all_invalid = route.spec().rules_size() > 0 && served == 0;
  if (binding != nullptr && !binding->not_deployed.empty()) {
    result.config.clear_attachments();
    result.all_invalid = true;
    result.invalid_rules = Problem();
    result.invalid_rules.Add("ApiNotDeployed", binding->not_deployed);
  }
  return result;
}

}  // namespace apk

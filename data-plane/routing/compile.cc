// Builds the table in the order in which its parts refer to each other: backends, certificates,
// token issuers, listeners, routes. Errors are collected, so that one NACK tells them all.
#include "data-plane/routing/compile.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/strings.h"
#include "data-plane/filters/rewrite_path.h"
#include "data-plane/routing/certificate_check.h"
#include "data-plane/routing/compile_filters.h"
#include "data-plane/routing/host_table.h"
#include "data-plane/routing/sni_table.h"

namespace apk {
namespace {

constexpr size_t kMaxErrors = 100;

std::string_view TrimSlashes(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// Lengths are hashed with the texts, so that no two settings run into each other.
class KeyHasher {
 public:
  void Add(std::string_view text) {
    Add(text.size());
    for (const char c : text) Mix(static_cast<unsigned char>(c));
  }
  void Add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) Mix(static_cast<unsigned char>(number >> shift));
  }
  uint64_t value() const { return hash_; }

 private:
  void Mix(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }
  uint64_t hash_ = 0xcbf29ce484222325ULL;
};

uint64_t ConnectionKey(const Backend& backend) {
  KeyHasher hasher;
  hasher.Add(backend.name);
  for (const Endpoint& endpoint : backend.endpoints) {
    hasher.Add(endpoint.host);
    hasher.Add(uint64_t{endpoint.port});
  }
  hasher.Add(uint64_t{backend.http2});
  hasher.Add(uint64_t{backend.tls.has_value()});
  if (backend.tls.has_value()) {
    hasher.Add(backend.tls->ca_pem);
    hasher.Add(backend.tls->server_name);
    for (const std::string& name : backend.tls->allowed_sans) hasher.Add(name);
    hasher.Add(uint64_t{backend.tls->allowed_sans.size()});
    for (const std::string& uri : backend.tls->allowed_uris) hasher.Add(uri);
    if (backend.tls->client_certificate != nullptr) {
      hasher.Add(backend.tls->client_certificate->chain_pem);
      hasher.Add(backend.tls->client_certificate->key_pem);
    }
  }
  return hasher.value();
}

// Never 0.
uint64_t ClientRules(const ClientValidation& validation) {
  KeyHasher hasher;
  hasher.Add(validation.ca_pem);
  hasher.Add(uint64_t{validation.insecure_fallback});
  return hasher.value() | 1;
}

bool WantsGroups(const Rule& rule) {
  const auto refers = [](const PathModifier& path) {
    return path.kind == PathModifier::Kind::kReplaceFullPath && RefersToGroups(path.value);
  };
  return std::any_of(rule.filters.begin(), rule.filters.end(), [&](const Filter& filter) {
    if (const auto* rewrite = std::get_if<UrlRewrite>(&filter)) return refers(rewrite->path);
    if (const auto* redirect = std::get_if<RequestRedirect>(&filter)) return refers(redirect->path);
    return false;
  });
}

// Most specific first: exact, then wildcards by length, then any.
bool MoreSpecific(const Listener& a, const Listener& b) {
  const auto key = [](const Listener& listener) {
    const std::string_view host = listener.hostname;
    const int kind = host.empty() ? 2 : host.starts_with("*.") ? 1 : 0;
    return std::make_tuple(kind, SIZE_MAX - host.size(), host, std::string_view(listener.name));
  };
  return key(a) < key(b);
}

}  // namespace

class RouteTableBuilder {
 public:
  explicit RouteTableBuilder(const v1::Snapshot& snapshot)
      : snapshot_(snapshot), table_(std::make_shared<RouteTable>()) {}

  CompileResult Build();

 private:
  void Fail(std::string_view resource, std::string_view message) {
    if (errors_.size() < kMaxErrors)
      errors_.push_back({std::string(resource), std::string(message)});
  }
  template <class Value>
  Value* Find(const StringMap<Value*>& map, const std::string& name, std::string_view resource) {
    const auto it = map.find(name);
    if (it != map.end()) return it->second;
    Fail(resource, Concat("refers to ", name, ", which is not in the snapshot"));
    return nullptr;
  }

  void AddBackend(const std::string& name, const v1::BackendConfig& config);
  void AddCertificate(const std::string& name, const v1::CertificateConfig& config);
  void AddTokenIssuer(const std::string& name, const v1::TokenIssuerConfig& config);
  void AddListener(const std::string& name, const v1::ListenerConfig& config);
  void SetClientValidation(const std::string& name, const v1::ListenerConfig& config,
                           Listener& listener);
  // The backend as the Gateway that is being looked at connects to it.
  const Backend* FindBackend(const std::string& name, const std::string& resource);
  // The certificates that the Gateways of a route show to backends; nullptr stands for none.
  template <class Route>
  std::vector<const Certificate*> ClientCertificatesOf(const Route& route) const;
  bool IsLookedAt(const std::string& listener) const;
  void AddRoute(const std::string& resource, const v1::RouteConfig& config);
  void AddTlsRoutes();
  void AddTlsRoute(const std::string& resource, const v1::TlsRouteConfig& config);
  Rule* AddRule(const std::string& resource, const v1::RouteConfig& route, int index);
  void AddBackends(const std::string& resource,
                   const google::protobuf::RepeatedPtrField<v1::WeightedBackendConfig>& configs,
                   std::vector<WeightedBackend>& backends, uint64_t& total_weight);
  void AddDestinations(const std::string& resource, const v1::RuleConfig& config, Rule& rule);
  void AddAuthentication(const std::string& resource, const v1::AuthenticationConfig& config,
                         Rule& rule);
  void Attach(const std::string& resource, const v1::RouteConfig& route,
              const std::shared_ptr<const RequestMatch>& match);
  void FinishPorts();

  const v1::Snapshot& snapshot_;
  std::shared_ptr<RouteTable> table_;
  std::vector<CompileError> errors_;
  StringMap<const Backend*> backends_;
  StringMap<const Certificate*> certificates_;
  StringMap<const TokenIssuer*> issuers_;
  StringMap<HostTable*> host_tables_;  // By listener resource; owned by the listeners.
  StringMap<SniTable*> sni_tables_;    // The same of those that are no HTTP.
  // By listener resource, of those whose Gateway has one.
  StringMap<const Certificate*> client_certificates_;
  // Rules are made once for each certificate that is shown to backends; this is the one now.
  const Certificate* client_certificate_ = nullptr;
  std::map<std::pair<std::string, uint16_t>, Port> ports_;
};

CompileResult RouteTableBuilder::Build() {
  table_->version_ = snapshot_.version();
  table_->revision_ = snapshot_.revision();
  for (const auto& resource : snapshot_.resources()) {
    if (resource.has_backend()) AddBackend(resource.name(), resource.backend());
    if (resource.has_certificate()) AddCertificate(resource.name(), resource.certificate());
    if (resource.has_token_issuer()) AddTokenIssuer(resource.name(), resource.token_issuer());
  }
  for (const auto& resource : snapshot_.resources()) {
    if (resource.has_listener()) AddListener(resource.name(), resource.listener());
    if (resource.body_case() == v1::SnapshotResource::BODY_NOT_SET) {
      Fail(resource.name(), "is of a kind that this agent does not know");
    }
  }
  for (const auto& resource : snapshot_.resources()) {
    if (!resource.has_route()) continue;
    for (const Certificate* const certificate : ClientCertificatesOf(resource.route())) {
      client_certificate_ = certificate;
      AddRoute(resource.name(), resource.route());
    }
  }
  AddTlsRoutes();
  for (auto& [name, hosts] : host_tables_) hosts->Sort();
  FinishPorts();
  CompileResult result;
  result.errors = std::move(errors_);
  if (result.errors.empty()) result.table = std::move(table_);
  return result;
}

void RouteTableBuilder::AddBackend(const std::string& name, const v1::BackendConfig& config) {
  auto backend = std::make_unique<Backend>();
  backend->name = name;
  backend->index = static_cast<uint32_t>(table_->backends_.size());
  for (const auto& endpoint : config.endpoints()) {
    if (endpoint.host().empty()) Fail(name, "has an endpoint without host");
    if (endpoint.port() == 0 || endpoint.port() > 65535) {
      Fail(name, Concat("endpoint port ", std::to_string(endpoint.port()), " is none"));
    }
    backend->endpoints.push_back({endpoint.host(), static_cast<uint16_t>(endpoint.port())});
  }
  if (config.tls_enabled()) {
    BackendTls& tls = backend->tls.emplace();
    tls.ca_pem = config.tls().ca_pem();
    tls.server_name = config.tls().server_name();
    tls.allowed_sans.assign(config.tls().allowed_sans().begin(), config.tls().allowed_sans().end());
    tls.allowed_uris.assign(config.tls().allowed_uris().begin(), config.tls().allowed_uris().end());
  }
  if (!config.base_path().empty() && !config.base_path().starts_with('/')) {
    Fail(name, Concat("base path '", config.base_path(), "' does not begin with '/'"));
  }
  backend->base_path = TrimSlashes(config.base_path());
  backend->rewrite_host = config.rewrite_host();
  backend->response_timeout_ms = config.response_timeout_ms();
  backend->idle_timeout_ms = config.idle_timeout_ms();
  backend->max_connections = config.max_connections();
  if (config.has_health_check()) {
    const v1::HealthCheckConfig& check = config.health_check();
    if (check.interval_ms() == 0 || check.timeout_ms() == 0) {
      Fail(name, "has a health check without interval or without timeout");
    }
    HealthCheckPolicy& policy = backend->health_check.emplace();
    policy.interval = std::chrono::milliseconds(check.interval_ms());
    policy.timeout = std::chrono::milliseconds(check.timeout_ms());
    policy.unhealthy_threshold = std::max(check.unhealthy_threshold(), 1u);
    policy.healthy_threshold = std::max(check.healthy_threshold(), 1u);
  }
  for (const auto& field : config.set_headers()) {
    const absl::Status status = CheckSettableField(field.name(), field.value());
    if (!status.ok()) Fail(name, std::string(status.message()));
    backend->set_headers.emplace_back(field.name(), field.value());
  }
  backend->http2 = config.protocol() == v1::BackendConfig::HTTP2;
  backend->connection_key = ConnectionKey(*backend);
  backends_[name] = backend.get();
  table_->backends_.push_back(std::move(backend));
}

void RouteTableBuilder::AddCertificate(const std::string& name,
                                       const v1::CertificateConfig& config) {
  const absl::Status status =
      CheckCertificate(config.certificate_chain_pem(), config.private_key_pem());
  if (!status.ok()) Fail(name, std::string(status.message()));
  auto certificate = std::make_unique<Certificate>(Certificate{
      name, config.certificate_chain_pem(), config.private_key_pem(), config.ocsp_response()});
  certificates_[name] = certificate.get();
  table_->certificates_.push_back(std::move(certificate));
}

void RouteTableBuilder::AddTokenIssuer(const std::string& name,
                                       const v1::TokenIssuerConfig& config) {
  auto issuer = std::make_unique<TokenIssuer>(TokenIssuer{
      name, config.issuer(), config.jwks_url(), config.jwks_ca_pem(), config.certificate_pem()});
  if (issuer->jwks_url.empty() == issuer->certificate_pem.empty()) {
    Fail(name, "must have either a JWKS URL or a certificate");
  }
  issuers_[name] = issuer.get();
  table_->token_issuers_.push_back(std::move(issuer));
}

void RouteTableBuilder::AddListener(const std::string& name, const v1::ListenerConfig& config) {
  if (config.port() == 0 || config.port() > 65535) {
    Fail(name, Concat("port ", std::to_string(config.port()), " is none"));
    return;
  }
  const bool http = config.protocol() != v1::ListenerConfig::TLS;
  const bool tls = !http || config.protocol() == v1::ListenerConfig::HTTPS;
  if (!tls && config.protocol() != v1::ListenerConfig::HTTP) Fail(name, "has no known protocol");
  auto hosts = std::make_shared<HostTable>();
  auto names = std::make_shared<SniTable>();
  if (http) {
    host_tables_[name] = hosts.get();
  } else {
    sni_tables_[name] = names.get();
  }
  Listener listener;
  listener.name = name;
  listener.gateway = config.gateway();
  listener.hostname = ToLower(config.hostname());
  listener.hosts = hosts;
  listener.names = names;
  listener.http = http;
  listener.passthrough = config.tls_passthrough();
  for (const std::string& certificate : config.certificates()) {
    if (const auto* found = Find(certificates_, certificate, name)) {
      listener.certificates.push_back(found);
    }
  }
  if (tls && !listener.passthrough && config.certificates().empty()) {
    Fail(name, "terminates TLS and has no certificate");
  }
  if (http && listener.passthrough) Fail(name, "passes HTTP through, which takes protocol TLS");
  SetClientValidation(name, config, listener);

  std::vector<std::string> addresses(config.addresses().begin(), config.addresses().end());
  if (addresses.empty()) addresses.emplace_back();
  for (const std::string& address : addresses) {
    const auto number = static_cast<uint16_t>(config.port());
    Port& port = ports_[{address, number}];
    if (port.listeners.empty()) {
      port.address = address;
      port.port = number;
      port.tls = tls;
    } else if (port.tls != tls) {
      Fail(name, Concat("mixes TLS and plain HTTP on port ", std::to_string(number), " with ",
                        port.listeners.front().name));
    }
    port.http = port.http || listener.http;
    port.passthrough = port.passthrough || listener.passthrough;
    port.listeners.push_back(listener);
  }
}

void RouteTableBuilder::SetClientValidation(const std::string& name,
                                            const v1::ListenerConfig& config, Listener& listener) {
  if (config.has_client_validation()) {
    listener.client_validation =
        ClientValidation{.ca_pem = config.client_validation().ca_pem(),
                         .insecure_fallback = config.client_validation().allow_insecure_fallback()};
    listener.client_rules = ClientRules(*listener.client_validation);
    const absl::Status status = CheckCaCertificates(listener.client_validation->ca_pem);
    if (!status.ok()) Fail(name, std::string(status.message()));
  }
  if (!config.backend_client_certificate().empty()) {
    if (const auto* found = Find(certificates_, config.backend_client_certificate(), name)) {
      client_certificates_[name] = found;
    }
  }
}

const Backend* RouteTableBuilder::FindBackend(const std::string& name,
                                              const std::string& resource) {
  const Backend* const plain = Find(backends_, name, resource);
  if (plain == nullptr || client_certificate_ == nullptr || !plain->tls.has_value()) return plain;
  const Backend*& with_certificate = backends_[Concat(name, " as ", client_certificate_->name)];
  if (with_certificate != nullptr) return with_certificate;
  auto copy = std::make_unique<Backend>(*plain);
  copy->index = static_cast<uint32_t>(table_->backends_.size());
  copy->tls->client_certificate = client_certificate_;
  copy->connection_key = ConnectionKey(*copy);
  with_certificate = copy.get();
  table_->backends_.push_back(std::move(copy));
  return with_certificate;
}

template <class Route>
std::vector<const Certificate*> RouteTableBuilder::ClientCertificatesOf(const Route& route) const {
  std::vector<const Certificate*> certificates;
  for (const auto& attachment : route.attachments()) {
    const auto found = client_certificates_.find(attachment.listener());
    const Certificate* const certificate =
        found == client_certificates_.end() ? nullptr : found->second;
    if (std::find(certificates.begin(), certificates.end(), certificate) == certificates.end()) {
      certificates.push_back(certificate);
    }
  }
  if (certificates.empty()) certificates.push_back(nullptr);
  return certificates;
}

bool RouteTableBuilder::IsLookedAt(const std::string& listener) const {
  const auto found = client_certificates_.find(listener);
  return client_certificate_ == (found == client_certificates_.end() ? nullptr : found->second);
}

// Oldest first, then by name: of two for one hostname the first stays.
void RouteTableBuilder::AddTlsRoutes() {
  std::vector<const v1::SnapshotResource*> routes;
  for (const auto& resource : snapshot_.resources()) {
    if (resource.has_tls_route()) routes.push_back(&resource);
  }
  std::stable_sort(routes.begin(), routes.end(), [](const auto* a, const auto* b) {
    const auto& left = a->tls_route();
    const auto& right = b->tls_route();
    return std::make_tuple(left.created_unix_seconds(), std::string_view(left.name())) <
           std::make_tuple(right.created_unix_seconds(), std::string_view(right.name()));
  });
  for (const auto* const route : routes) {
    for (const Certificate* const certificate : ClientCertificatesOf(route->tls_route())) {
      client_certificate_ = certificate;
      AddTlsRoute(route->name(), route->tls_route());
    }
  }
}

void RouteTableBuilder::AddTlsRoute(const std::string& resource, const v1::TlsRouteConfig& config) {
  auto rule = std::make_unique<TlsRule>();
  rule->route = config.name();
  AddBackends(resource, config.backends(), rule->backends, rule->total_weight);
  for (const auto& attachment : config.attachments()) {
    SniTable* const names = Find(sni_tables_, attachment.listener(), resource);
    if (names == nullptr || !IsLookedAt(attachment.listener())) continue;
    for (const std::string& hostname : attachment.hostnames()) {
      names->Add(ToLower(hostname), rule.get());
    }
    if (attachment.hostnames().empty()) names->Add("", rule.get());
  }
  table_->tls_rules_.push_back(std::move(rule));
}

void RouteTableBuilder::AddRoute(const std::string& resource, const v1::RouteConfig& config) {
  const bool tolerant = !config.base_paths().empty();
  for (int i = 0; i < config.rules_size(); ++i) {
    const Rule* rule = AddRule(resource, config, i);
    const bool wants_groups = WantsGroups(*rule);
    uint32_t index = 0;
    for (const auto& match_config : config.rules(i).matches()) {
      absl::StatusOr<RequestMatch> match = CompileMatch(match_config, tolerant);
      if (!match.ok()) {
        Fail(resource,
             Concat("rule ", std::to_string(i), ": ", std::string(match.status().message())));
        continue;
      }
      match->rule = rule;
      match->created_unix_seconds = config.created_unix_seconds();
      match->index = index++;
      match->wants_groups = wants_groups;
      Attach(resource, config, std::make_shared<const RequestMatch>(*std::move(match)));
    }
    if (config.rules(i).matches().empty()) {
      Fail(resource, Concat("rule ", std::to_string(i), " has no match"));
    }
  }
}

void RouteTableBuilder::Attach(const std::string& resource, const v1::RouteConfig& route,
                               const std::shared_ptr<const RequestMatch>& match) {
  std::vector<std::string> base_paths;
  for (const std::string& path : route.base_paths()) {
    base_paths.emplace_back(TrimSlashes(path));
    if (!path.starts_with('/'))
      Fail(resource, Concat("base path '", path, "' does not begin with '/'"));
  }
  if (base_paths.empty()) base_paths.emplace_back();
  for (const auto& attachment : route.attachments()) {
    HostTable* hosts = Find(host_tables_, attachment.listener(), resource);
    if (hosts == nullptr || !IsLookedAt(attachment.listener())) continue;
    for (const std::string& base_path : base_paths) {
      for (const std::string& hostname : attachment.hostnames()) {
        hosts->Add(ToLower(hostname), base_path, match);
      }
      if (attachment.hostnames().empty()) hosts->Add("", base_path, match);
    }
  }
}

Rule* RouteTableBuilder::AddRule(const std::string& resource, const v1::RouteConfig& route,
                                 int index) {
  const v1::RuleConfig& config = route.rules(index);
  auto rule = std::make_unique<Rule>();
  rule->route = route.name();
  rule->name = config.name();
  rule->index = static_cast<uint32_t>(index);
  rule->invalid = config.invalid();
  rule->request_timeout_ms = config.request_timeout_ms();
  rule->request_timeout_disabled = config.request_timeout_disabled();
  rule->backend_request_timeout_ms = config.backend_request_timeout_ms();
  absl::StatusOr<std::vector<Filter>> filters = CompileFilters(config.filters());
  if (filters.ok()) {
    rule->filters = *std::move(filters);
  } else {
    Fail(resource,
         Concat("rule ", std::to_string(index), ": ", std::string(filters.status().message())));
  }
  AddDestinations(resource, config, *rule);
  if (config.has_authentication()) AddAuthentication(resource, config.authentication(), *rule);
  table_->rules_.push_back(std::move(rule));
  return table_->rules_.back().get();
}

void RouteTableBuilder::AddBackends(
    const std::string& resource,
    const google::protobuf::RepeatedPtrField<v1::WeightedBackendConfig>& configs,
    std::vector<WeightedBackend>& backends, uint64_t& total_weight) {
  for (const auto& backend : configs) {
    WeightedBackend& weighted = backends.emplace_back();
    weighted.weight = backend.weight();
    total_weight += backend.weight();
    if (!backend.backend().empty()) weighted.backend = FindBackend(backend.backend(), resource);
    absl::StatusOr<std::vector<Filter>> filters = CompileFilters(backend.filters());
    if (filters.ok()) {
      weighted.filters = *std::move(filters);
    } else {
      Fail(resource, std::string(filters.status().message()));
    }
  }
}

void RouteTableBuilder::AddDestinations(const std::string& resource, const v1::RuleConfig& config,
                                        Rule& rule) {
  AddBackends(resource, config.backends(), rule.backends, rule.total_weight);
  for (const auto& mirror_config : config.mirrors()) {
    Mirror& mirror = rule.mirrors.emplace_back();
    mirror.name = mirror_config.name();
    mirror.numerator = mirror_config.numerator();
    mirror.denominator = mirror_config.denominator();
    if (mirror.denominator == 0 || mirror.numerator > mirror.denominator) {
      Fail(resource, Concat("the share of mirror ", mirror.name, " is no fraction up to 1"));
    }
    if (!mirror_config.backend().empty()) {
      mirror.backend = FindBackend(mirror_config.backend(), resource);
    }
  }
}

void RouteTableBuilder::AddAuthentication(const std::string& resource,
                                          const v1::AuthenticationConfig& config, Rule& rule) {
  AuthenticationPolicy& policy = rule.authentication.emplace();
  policy.optional = config.optional();
  policy.header = config.header().empty() ? "authorization" : ToLower(config.header());
  policy.send_token_to_upstream = config.send_token_to_upstream();
  for (const std::string& issuer : config.token_issuers()) {
    if (const auto* found = Find(issuers_, issuer, resource)) policy.issuers.push_back(found);
  }
  policy.audiences.assign(config.audiences().begin(), config.audiences().end());
}

void RouteTableBuilder::FinishPorts() {
  for (auto& [key, port] : ports_) {
    std::sort(port.listeners.begin(), port.listeners.end(), MoreSpecific);
    for (size_t i = 1; i < port.listeners.size(); ++i) {
      if (port.listeners[i].hostname != port.listeners[i - 1].hostname) continue;
      Fail(port.listeners[i].name,
           Concat("takes the same port and hostname as ", port.listeners[i - 1].name));
    }
    table_->ports_.push_back(std::move(port));
  }
}

CompileResult Compile(const v1::Snapshot& snapshot) { return RouteTableBuilder(snapshot).Build(); }

}  // namespace apk

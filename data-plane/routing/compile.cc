// Builds the table in the order in which its parts refer to each other: backends, certificates,
// token issuers, listeners, routes. Errors are collected, so that one NACK tells them all.
// Hostnames whose routes are the same as before keep their indexes.
#include "data-plane/routing/compile.h"

#include <absl/container/flat_hash_set.h>
#include <openssl/rand.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/strings.h"
#include "data-plane/filters/rewrite_path.h"
#include "data-plane/http/path.h"
#include "data-plane/routing/certificate_check.h"
#include "data-plane/routing/compile_backend.h"
#include "data-plane/routing/compile_filters.h"
#include "data-plane/routing/compile_policies.h"
#include "data-plane/routing/compile_ports.h"
#include "data-plane/routing/compiled_route.h"
#include "data-plane/routing/host_table.h"
#include "data-plane/routing/key_hasher.h"
#include "data-plane/routing/part_list.h"
#include "data-plane/routing/path_index_builder.h"
#include "data-plane/routing/sni_table.h"

namespace apk {
namespace {

constexpr size_t kMaxErrors = 100;
constexpr size_t kLoopKeyBytes = 16;

template <class Kind>
bool HasFilter(const Rule& rule) {
  const auto among = [](const std::vector<Filter>& filters) {
    return std::any_of(filters.begin(), filters.end(),
                       [](const Filter& filter) { return std::holds_alternative<Kind>(filter); });
  };
  return among(rule.filters) ||
         std::any_of(rule.backends.begin(), rule.backends.end(),
                     [&](const WeightedBackend& backend) { return among(backend.filters); });
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
  const auto any_refers = [&](const std::vector<Filter>& filters) {
    return std::any_of(filters.begin(), filters.end(), [&](const Filter& filter) {
      if (const auto* rewrite = std::get_if<UrlRewrite>(&filter)) return refers(rewrite->path);
      const auto* redirect = std::get_if<RequestRedirect>(&filter);
      return redirect != nullptr && refers(redirect->path);
    });
  };
  return any_refers(rule.filters) ||
         std::any_of(rule.backends.begin(), rule.backends.end(),
                     [&](const WeightedBackend& backend) { return any_refers(backend.filters); });
}

// For an agent that was never given one: it knows its own copies at least.
std::string RandomLoopKey() {
  std::string key(kLoopKeyBytes, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), kLoopKeyBytes);
  return key;
}

// The routes of one listener by hostname, and the look-up made of them.
struct ListenerHosts {
  StringMap<std::vector<const CompiledRoute*>> routes;
  std::shared_ptr<const HostTable> table = std::make_shared<HostTable>();
};

// nullptr where there is nothing.
std::shared_ptr<const PathIndex> IndexOf(std::string_view hostname,
                                         const std::vector<const CompiledRoute*>& routes) {
  if (routes.empty()) return nullptr;
  PathIndexBuilder builder;
  for (const CompiledRoute* const route : routes) {
    for (const auto& match : route->matches) {
      for (const std::string& base_path : route->base_paths) builder.Add(base_path, *match);
    }
  }
  return builder.Build(HostTable::KeyOf(hostname));
}

}  // namespace

// What the last table was made of.
struct Compiler::Past {
  std::shared_ptr<const RouteTable> table = std::make_shared<RouteTable>(RandomLoopKey());
  StringMap<ListenerHosts> listeners;  // Their routes are the table's.
};

class RouteTableBuilder {
 public:
  RouteTableBuilder(const v1::Snapshot& snapshot, const RouteTable& before,
                    const std::string& own_address, SeriesBook& series)
      : snapshot_(snapshot),
        before_(before),
        series_(series),
        table_(std::make_shared<RouteTable>()),
        ports_(own_address, [this](std::string_view resource, std::string_view message) {
          Fail(resource, message);
        }) {}

  // True where all is well; hosts are then still to be built.
  bool Build();
  // Brings `listeners`, those of the table before, up to date and completes the table.
  std::shared_ptr<const RouteTable> Finish(StringMap<ListenerHosts>& listeners);
  std::vector<CompileError>& errors() { return errors_; }

 private:
  void Fail(std::string_view resource, std::string_view message) {
    if (errors_.size() < kMaxErrors)
      errors_.push_back({std::string(resource), std::string(message)});
  }
  template <class T>
  const T* Find(const PartList<T>& parts, const std::string& name, std::string_view resource) {
    const T* const found = FindPart(parts, name);
    if (found == nullptr) {
      Fail(resource, Concat("refers to ", name, ", which is not in the snapshot"));
    } else if (route_ != nullptr) {
      route_->refers_to.push_back(found);
    }
    return found;
  }

  std::vector<const v1::SnapshotResource*> SortedResources();
  void AddParts(const std::vector<const v1::SnapshotResource*>& resources);
  void AddRoutes(const std::vector<const v1::SnapshotResource*>& resources);
  void AddTlsRoutes(const std::vector<const v1::SnapshotResource*>& resources);
  void AddTlsRoute(const std::string& resource, const v1::TlsRouteConfig& config);
  void AddBackend(const v1::SnapshotResource& resource, const v1::BackendConfig& config);
  void AddCertificate(const v1::SnapshotResource& resource, const v1::CertificateConfig& config);
  void AddTokenIssuer(const v1::SnapshotResource& resource, const v1::TokenIssuerConfig& config);
  void AddListener(const std::string& name, const v1::ListenerConfig& config);
  void SetInstallation(const std::string& name, const v1::InstallationConfig& config);
  std::shared_ptr<const CompiledRoute> MakeRoute(const v1::SnapshotResource& resource,
                                                 const v1::RouteConfig& config);
  const Rule* AddRule(const std::string& resource, const v1::RouteConfig& route, int index);
  void AddDestinations(const std::string& resource, const v1::RuleConfig& config, Rule& rule);
  void AddMirrors(const std::string& resource,
                  const google::protobuf::RepeatedPtrField<v1::MirrorConfig>& configs,
                  std::vector<Mirror>& mirrors);
  void AddAuthentication(const std::string& resource, const v1::AuthenticationConfig& config,
                         Rule& rule);
  void AddAttachments(const std::string& resource, const v1::RouteConfig& config);
  void CheckAttachments(const CompiledRoute& route);

  const v1::Snapshot& snapshot_;
  const RouteTable& before_;
  SeriesBook& series_;
  std::shared_ptr<RouteTable> table_;
  std::vector<CompileError> errors_;
  absl::flat_hash_set<const void*> gone_;  // Parts of the table before that this one has not.
  std::vector<std::shared_ptr<const CompiledRoute>> new_routes_;
  std::vector<const CompiledRoute*> old_routes_;                             // Replaced or removed.
  std::shared_ptr<CompiledRoute> route_;                                     // Under way.
  absl::flat_hash_set<std::string, StringHash, std::equal_to<>> listeners_;  // By resource.
  StringMap<SniTable*> sni_tables_;  // Of listeners of protocol TLS, by resource; theirs.
  PortsBuilder ports_;
};

bool RouteTableBuilder::Build() {
  table_->version_ = snapshot_.version();
  table_->revision_ = snapshot_.revision();
  const std::vector<const v1::SnapshotResource*> resources = SortedResources();
  AddParts(resources);
  table_->mirror_loop_key_ = before_.mirror_loop_key_;  // Where the snapshot has none.
  for (const auto* const resource : resources) {
    if (resource->has_listener()) AddListener(resource->name(), resource->listener());
    if (resource->has_installation()) SetInstallation(resource->name(), resource->installation());
    if (resource->body_case() == v1::SnapshotResource::BODY_NOT_SET) {
      Fail(resource->name(), "is of a kind that this agent does not know");
    }
  }
  PortsBuilder::Result ports = ports_.Finish();
  table_->ports_ = std::move(ports.ports);
  table_->refused_ = std::move(ports.refused);
  AddRoutes(resources);
  AddTlsRoutes(resources);
  return errors_.empty();
}

std::vector<const v1::SnapshotResource*> RouteTableBuilder::SortedResources() {
  std::vector<const v1::SnapshotResource*> resources;
  resources.reserve(static_cast<size_t>(snapshot_.resources_size()));
  for (const auto& resource : snapshot_.resources()) resources.push_back(&resource);
  const auto by_name = [](const auto* a, const auto* b) { return a->name() < b->name(); };
  if (!std::is_sorted(resources.begin(), resources.end(), by_name)) {
    std::stable_sort(resources.begin(), resources.end(), by_name);
  }
  for (size_t i = 1; i < resources.size(); ++i) {
    if (resources[i]->name() == resources[i - 1]->name()) {
      Fail(resources[i]->name(), "stands twice in the snapshot");
    }
  }
  return resources;
}

void RouteTableBuilder::AddParts(const std::vector<const v1::SnapshotResource*>& resources) {
  PartsBefore<Backend> backends(before_.backends_);
  PartsBefore<Certificate> certificates(before_.certificates_);
  PartsBefore<TokenIssuer> issuers(before_.token_issuers_);
  for (const auto* const resource : resources) {
    if (resource->has_backend()) {
      if (auto same = backends.Take(resource->name(), resource->hash())) {
        table_->backends_.push_back(std::move(same));
      } else {
        AddBackend(*resource, resource->backend());
      }
    } else if (resource->has_certificate()) {
      if (auto same = certificates.Take(resource->name(), resource->hash())) {
        table_->certificates_.push_back(std::move(same));
      } else {
        AddCertificate(*resource, resource->certificate());
      }
    } else if (resource->has_token_issuer()) {
      if (auto same = issuers.Take(resource->name(), resource->hash())) {
        table_->token_issuers_.push_back(std::move(same));
      } else {
        AddTokenIssuer(*resource, resource->token_issuer());
      }
    }
  }
  gone_ = backends.Gone();
  gone_.insert(issuers.Gone().begin(), issuers.Gone().end());
}

void RouteTableBuilder::AddRoutes(const std::vector<const v1::SnapshotResource*>& resources) {
  PartsBefore<CompiledRoute> routes(before_.routes_);
  const bool listener_gone =
      std::any_of(before_.ports_.begin(), before_.ports_.end(), [this](const Port& port) {
        return std::any_of(
            port.listeners.begin(), port.listeners.end(),
            [this](const Listener& listener) { return !listeners_.contains(listener.name); });
      });
  for (const auto* const resource : resources) {
    if (!resource->has_route()) continue;
    std::shared_ptr<const CompiledRoute> same = routes.Take(resource->name(), resource->hash());
    if (same != nullptr && !gone_.empty() &&
        std::any_of(same->refers_to.begin(), same->refers_to.end(),
                    [this](const void* part) { return gone_.contains(part); })) {
      old_routes_.push_back(same.get());
      same = nullptr;
    }
    if (same == nullptr) {
      same = MakeRoute(*resource, resource->route());
      new_routes_.push_back(same);
    } else if (listener_gone) {
      CheckAttachments(*same);
    }
    table_->routes_.push_back(std::move(same));
  }
  for (const void* const route : routes.Gone()) {
    old_routes_.push_back(static_cast<const CompiledRoute*>(route));
  }
}

// Anew each time: a TLS route is a few names. Oldest first, then by name: of two for one hostname
// the first stays.
void RouteTableBuilder::AddTlsRoutes(const std::vector<const v1::SnapshotResource*>& resources) {
  std::vector<const v1::SnapshotResource*> routes;
  for (const auto* const resource : resources) {
    if (resource->has_tls_route()) routes.push_back(resource);
  }
  std::stable_sort(routes.begin(), routes.end(), [](const auto* a, const auto* b) {
    const auto& left = a->tls_route();
    const auto& right = b->tls_route();
    return std::make_tuple(left.created_unix_seconds(), std::string_view(left.name())) <
           std::make_tuple(right.created_unix_seconds(), std::string_view(right.name()));
  });
  for (const auto* const route : routes) AddTlsRoute(route->name(), route->tls_route());
}

void RouteTableBuilder::AddTlsRoute(const std::string& resource, const v1::TlsRouteConfig& config) {
  auto rule = std::make_unique<TlsRule>();
  rule->route = config.name();
  for (const auto& backend : config.backends()) {
    WeightedBackend& weighted = rule->backends.emplace_back();
    weighted.weight = backend.weight();
    rule->total_weight += backend.weight();
    if (backend.backend().empty()) continue;
    weighted.backend = Find(table_->backends_, backend.backend(), resource);
  }
  for (const auto& attachment : config.attachments()) {
    const auto names = sni_tables_.find(attachment.listener());
    if (names == sni_tables_.end()) {
      Fail(resource, Concat("refers to ", attachment.listener(),
                            ", which is no TLS listener of the snapshot"));
      continue;
    }
    for (const std::string& hostname : attachment.hostnames()) {
      names->second->Add(ToLower(hostname), rule.get());
    }
    if (attachment.hostnames().empty()) names->second->Add("", rule.get());
  }
  table_->tls_rules_.push_back(std::move(rule));
}

void RouteTableBuilder::CheckAttachments(const CompiledRoute& route) {
  for (const CompiledRoute::Attachment& attachment : route.attachments) {
    if (listeners_.contains(attachment.listener)) continue;
    Fail(route.name, Concat("refers to ", attachment.listener, ", which is not in the snapshot"));
  }
}

std::shared_ptr<const RouteTable> RouteTableBuilder::Finish(StringMap<ListenerHosts>& listeners) {
  absl::erase_if(listeners,
                 [this](const auto& entry) { return !listeners_.contains(entry.first); });
  StringMap<absl::flat_hash_set<std::string>> changed;  // Hostnames by listener.
  const auto for_each_host = [&](const CompiledRoute& route, const auto& change) {
    for (const CompiledRoute::Attachment& attachment : route.attachments) {
      if (!listeners_.contains(attachment.listener)) continue;
      auto& hosts = listeners[attachment.listener].routes;
      for (const std::string& hostname : attachment.hostnames) {
        change(hosts[hostname]);
        changed[attachment.listener].insert(hostname);
      }
    }
  };
  const absl::flat_hash_set<const CompiledRoute*> old(old_routes_.begin(), old_routes_.end());
  for (const CompiledRoute* const route : old_routes_) {
    for_each_host(*route, [&old](auto& routes) {
      std::erase_if(routes, [&old](const auto* other) { return old.contains(other); });
    });
  }
  for (const auto& route : new_routes_) {
    for_each_host(*route, [&route](auto& routes) { routes.push_back(route.get()); });
  }
  for (const auto& [listener, hostnames] : changed) {
    ListenerHosts& hosts = listeners[listener];
    auto table = std::make_shared<HostTable>(*hosts.table);
    for (const std::string& hostname : hostnames) {
      const auto& routes = hosts.routes[hostname];
      table->Put(hostname, IndexOf(hostname, routes));
      if (routes.empty()) hosts.routes.erase(hostname);
    }
    hosts.table = std::move(table);
  }
  for (Port& port : table_->ports_) {
    for (Listener& listener : port.listeners) listener.hosts = listeners[listener.name].table;
  }
  return std::move(table_);
}

void RouteTableBuilder::AddBackend(const v1::SnapshotResource& resource,
                                   const v1::BackendConfig& config) {
  std::vector<std::string> problems;
  table_->backends_.push_back(CompileBackend(resource, config, series_.backends, problems));
  for (const std::string& problem : problems) Fail(resource.name(), problem);
}

void RouteTableBuilder::AddCertificate(const v1::SnapshotResource& resource,
                                       const v1::CertificateConfig& config) {
  const std::string& name = resource.name();
  const absl::Status status =
      CheckCertificate(config.certificate_chain_pem(), config.private_key_pem());
  if (!status.ok()) Fail(name, std::string(status.message()));
  table_->certificates_.push_back(std::make_shared<const Certificate>(
      Certificate{name, resource.hash(), config.certificate_chain_pem(), config.private_key_pem(),
                  config.ocsp_response()}));
}

void RouteTableBuilder::AddTokenIssuer(const v1::SnapshotResource& resource,
                                       const v1::TokenIssuerConfig& config) {
  const std::string& name = resource.name();
  auto issuer = std::make_shared<const TokenIssuer>(
      TokenIssuer{name, resource.hash(), config.issuer(), config.jwks_url(), config.jwks_ca_pem(),
                  config.certificate_pem()});
  if (issuer->jwks_url.empty() == issuer->certificate_pem.empty()) {
    Fail(name, "must have either a JWKS URL or a certificate");
  }
  table_->token_issuers_.push_back(std::move(issuer));
}

void RouteTableBuilder::AddListener(const std::string& name, const v1::ListenerConfig& config) {
  if (config.port() == 0 || config.port() > 65535) {
    Fail(name, Concat("port ", std::to_string(config.port()), " is none"));
    return;
  }
  listeners_.insert(name);
  const bool http = config.protocol() != v1::ListenerConfig::TLS;
  const bool tls = !http || config.protocol() == v1::ListenerConfig::HTTPS;
  if (!tls && config.protocol() != v1::ListenerConfig::HTTP) Fail(name, "has no known protocol");
  auto names = std::make_shared<SniTable>();
  if (!http) sni_tables_[name] = names.get();
  Listener listener;
  listener.name = name;
  listener.series = series_.listeners.Take(name);
  listener.gateway = config.gateway();
  listener.hostname = ToLower(config.hostname());
  listener.http = http;
  listener.passthrough = config.tls_passthrough();
  listener.names = std::move(names);
  for (const std::string& certificate : config.certificates()) {
    if (const auto* found = Find(table_->certificates_, certificate, name)) {
      listener.certificates.push_back(found);
    }
  }
  if (tls && !listener.passthrough && config.certificates().empty()) {
    Fail(name, "terminates TLS and has no certificate");
  }
  if (http && listener.passthrough) Fail(name, "passes HTTP through, which takes protocol TLS");
  if (config.has_client_validation()) {
    const v1::ClientValidationConfig& validation = config.client_validation();
    listener.client_validation = ClientValidation{
        .ca_pem = validation.ca_pem(), .insecure_fallback = validation.allow_insecure_fallback()};
    listener.client_rules = ClientRules(*listener.client_validation);
    const absl::Status status = CheckCaCertificates(validation.ca_pem());
    if (!status.ok()) Fail(name, std::string(status.message()));
  }

  std::vector<std::string> addresses(config.addresses().begin(), config.addresses().end());
  if (addresses.empty()) addresses.emplace_back();
  for (const std::string& address : addresses) {
    listener.address = address;
    ports_.Add(listener, static_cast<uint16_t>(config.port()), tls);
  }
}

void RouteTableBuilder::SetInstallation(const std::string& name,
                                        const v1::InstallationConfig& config) {
  table_->mirror_loop_key_ = config.mirror_loop_key();
  if (config.mirror_loop_key().size() != kLoopKeyBytes) {
    Fail(name, Concat("must have a mirror loop key of ", std::to_string(kLoopKeyBytes), " bytes"));
  }
}

std::shared_ptr<const CompiledRoute> RouteTableBuilder::MakeRoute(
    const v1::SnapshotResource& resource, const v1::RouteConfig& config) {
  const std::string& name = resource.name();
  route_ = std::make_shared<CompiledRoute>();
  route_->name = name;
  route_->hash = resource.hash();
  const bool tolerant = !config.base_paths().empty();
  for (int i = 0; i < config.rules_size(); ++i) {
    const Rule* rule = AddRule(name, config, i);
    const bool wants_groups = WantsGroups(*rule);
    uint32_t index = 0;
    for (const auto& match_config : config.rules(i).matches()) {
      absl::StatusOr<RequestMatch> match = CompileMatch(match_config, tolerant);
      if (!match.ok()) {
        Fail(name, Concat("rule ", std::to_string(i), ": ", std::string(match.status().message())));
        continue;
      }
      match->rule = rule;
      match->created_unix_seconds = config.created_unix_seconds();
      match->index = index++;
      match->wants_groups = wants_groups;
      route_->matches.push_back(std::make_unique<const RequestMatch>(*std::move(match)));
    }
    if (config.rules(i).matches().empty()) {
      Fail(name, Concat("rule ", std::to_string(i), " has no match"));
    }
  }
  AddAttachments(name, config);
  return std::exchange(route_, nullptr);
}

void RouteTableBuilder::AddAttachments(const std::string& resource, const v1::RouteConfig& config) {
  for (const std::string& path : config.base_paths()) {
    route_->base_paths.emplace_back(TrimTrailingSlashes(path));
    if (!path.starts_with('/'))
      Fail(resource, Concat("base path '", path, "' does not begin with '/'"));
  }
  if (route_->base_paths.empty()) route_->base_paths.emplace_back();
  for (const auto& from : config.attachments()) {
    CompiledRoute::Attachment& attachment = route_->attachments.emplace_back();
    attachment.listener = from.listener();
    for (const std::string& hostname : from.hostnames()) {
      std::string lower = hostname == "*" ? "" : ToLower(hostname);
      const bool listed = std::find(attachment.hostnames.begin(), attachment.hostnames.end(),
                                    lower) != attachment.hostnames.end();
      if (!listed) attachment.hostnames.push_back(std::move(lower));
    }
    if (attachment.hostnames.empty()) attachment.hostnames.emplace_back();
  }
  CheckAttachments(*route_);
}

const Rule* RouteTableBuilder::AddRule(const std::string& resource, const v1::RouteConfig& route,
                                       int index) {
  const v1::RuleConfig& config = route.rules(index);
  auto rule = std::make_unique<Rule>();
  rule->route = route.name();
  rule->name = config.name();
  rule->index = static_cast<uint32_t>(index);
  // An HTTPRoute and a GRPCRoute may have one name.
  const bool grpc = resource.starts_with("grpc-route/");
  rule->series = series_.rules.Take(grpc ? Concat("GRPCRoute ", rule->route) : rule->route,
                                    rule->name.empty() ? std::to_string(index) : rule->name);
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
  if (config.has_retry()) rule->retry = CompileRetry(config.retry());
  if (config.has_session_persistence()) {
    absl::StatusOr<SessionPersistence> session =
        CompileSessionPersistence(config.session_persistence(), rule->backends);
    if (session.ok()) {
      rule->session_persistence = *std::move(session);
    } else {
      Fail(resource,
           Concat("rule ", std::to_string(index), ": ", std::string(session.status().message())));
    }
  }
  rule->redirects = HasFilter<RequestRedirect>(*rule);
  rule->cross_origin = HasFilter<Cors>(*rule);
  if (config.has_authentication()) AddAuthentication(resource, config.authentication(), *rule);
  route_->rules.push_back(std::move(rule));
  return route_->rules.back().get();
}

void RouteTableBuilder::AddDestinations(const std::string& resource, const v1::RuleConfig& config,
                                        Rule& rule) {
  for (const auto& backend : config.backends()) {
    WeightedBackend& weighted = rule.backends.emplace_back();
    weighted.weight = backend.weight();
    rule.total_weight += backend.weight();
    if (!backend.backend().empty()) {
      weighted.backend = Find(table_->backends_, backend.backend(), resource);
    }
    absl::StatusOr<std::vector<Filter>> filters = CompileFilters(backend.filters());
    if (filters.ok()) {
      weighted.filters = *std::move(filters);
    } else {
      Fail(resource, std::string(filters.status().message()));
    }
    AddMirrors(resource, backend.mirrors(), weighted.mirrors);
  }
  AddMirrors(resource, config.mirrors(), rule.mirrors);
}

void RouteTableBuilder::AddMirrors(
    const std::string& resource,
    const google::protobuf::RepeatedPtrField<v1::MirrorConfig>& configs,
    std::vector<Mirror>& mirrors) {
  for (const v1::MirrorConfig& config : configs) {
    Mirror& mirror = mirrors.emplace_back();
    mirror.name = config.name();
    mirror.numerator = config.numerator();
    mirror.denominator = config.denominator();
    if (mirror.denominator == 0 || mirror.numerator > mirror.denominator) {
      Fail(resource, Concat("the share of mirror ", mirror.name, " is no fraction up to 1"));
    }
    if (!config.backend().empty()) {
      mirror.backend = Find(table_->backends_, config.backend(), resource);
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
    if (const auto* found = Find(table_->token_issuers_, issuer, resource)) {
      policy.issuers.push_back(found);
    }
  }
  policy.audiences.assign(config.audiences().begin(), config.audiences().end());
}

Compiler::Compiler(std::string own_address, SeriesBook series)
    : own_address_(std::move(own_address)),
      series_(std::move(series)),
      past_(std::make_unique<Past>()) {}
Compiler::~Compiler() = default;

CompileResult Compiler::Compile(const v1::Snapshot& snapshot) {
  CompileResult result;
  RouteTableBuilder builder(snapshot, *past_->table, own_address_, series_);
  if (!builder.Build()) {
    result.errors = std::move(builder.errors());
    return result;
  }
  result.table = builder.Finish(past_->listeners);
  past_->table = result.table;
  return result;
}

CompileResult Compile(const v1::Snapshot& snapshot) { return Compiler().Compile(snapshot); }

}  // namespace apk

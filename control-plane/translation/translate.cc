// One pass: gateways, APIs, routes, backends; what read nothing that changed is taken over. The
// order of the steps is here, each lives in a file of its own.
#include "control-plane/translation/translate.h"

#include <absl/container/flat_hash_set.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "apk/v1/api.pb.h"
#include "apk/v1/backend.pb.h"
#include "apk/v1/gateway.pb.h"
#include "common/strings.h"
#include "control-plane/resources/grpc_route.h"
#include "control-plane/translation/age_order.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/backend_tls_policies.h"
#include "control-plane/translation/changes.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/read_log.h"
#include "control-plane/translation/resolve_backends.h"
#include "control-plane/translation/snapshot_assembly.h"
#include "control-plane/translation/translate_route.h"
#include "control-plane/translation/translate_tls_route.h"
#include "control-plane/translation/translator.h"

namespace apk {
namespace {

// Conditions keep their time where their status stayed, so equal means equal. Returns the object
// that has the status.
template <class Object, class Status>
const Object* UpdateStatus(const Object& object, const Status& status, Translation& translation) {
  if (google::protobuf::util::MessageDifferencer::Equals(object.status(), status)) return &object;
  auto updated = std::make_shared<Object>(object);
  *updated->mutable_status() = status;
  updated->mutable_metadata()->set_resource_version(
      std::to_string(translation.snapshot.revision()));
  const Object* const result = updated.get();
  translation.status_updates.push_back(std::move(updated));
  return result;
}

template <class Object>
ConditionScope ScopeOf(const Object& object, const std::string& now) {
  return {.generation = object.metadata().generation(),
          .now = &now,
          .previous = &object.status().conditions()};
}

void SetAccepted(const ConditionScope& scope, const Problem& problem, Conditions* conditions) {
  SetCondition(scope, "Accepted", problem.empty(), problem.empty() ? "Accepted" : problem.reason(),
               problem.empty() ? "in force" : problem.message(), conditions);
}

void UpdateApis(const ApiBindings& apis, const std::string& now, Translation& translation) {
  for (const auto& [api, problem] : apis.problems()) {
    v1::ApiStatus status;
    SetAccepted(ScopeOf(*api, now), problem, status.mutable_conditions());
    v1::ApiDeploymentStatus* const deployment = status.mutable_deployment_status();
    deployment->set_accepted(problem.empty());
    deployment->set_status(problem.empty() ? "DEPLOYED" : "INVALID");
    deployment->set_message(problem.empty() ? "API is deployed to the gateway."
                                            : problem.message());
    deployment->set_transition_time(status.conditions(0).last_transition_time());
    UpdateStatus(*api, status, translation);
  }
  for (const auto& [policy, problem] : apis.policy_problems()) {
    v1::PolicyStatus status;
    SetAccepted(ScopeOf(*policy, now), problem, status.mutable_conditions());
    UpdateStatus(*policy, status, translation);
  }
  for (const auto& [issuer, problem] : apis.issuer_problems()) {
    v1::PolicyStatus status;
    SetAccepted(ScopeOf(*issuer, now), problem, status.mutable_conditions());
    UpdateStatus(*issuer, status, translation);
  }
}

v1::BackendStatus BackendStatusOf(const ResourceSet& resources, const v1::Backend& backend,
                                  const std::string& now) {
  v1::BackendStatus status;
  const ConditionScope scope = ScopeOf(backend, now);
  const Problem problem = CheckBackend(resources, backend);
  SetCondition(scope, "Accepted", true, "Accepted", "the backend is accepted",
               status.mutable_conditions());
  SetCondition(
      scope, "ResolvedRefs", problem.empty(), problem.empty() ? "ResolvedRefs" : problem.reason(),
      problem.empty() ? "all references resolve" : problem.message(), status.mutable_conditions());
  return status;
}

void UpdateClasses(const ResourceSet& resources, const std::string& now, Translation& translation) {
  for (const std::string& name : OurClasses(resources)) {
    const v1::GatewayClass& gateway_class = *resources.Find<v1::GatewayClass>("", name);
    UpdateStatus(gateway_class, StatusOf(gateway_class, now), translation);
  }
}

Serving ServingOf(const FleetReport& fleet, const std::string& newest) {
  return {.fleet = fleet,
          .confirmed =
              std::all_of(fleet.versions.begin(), fleet.versions.end(),
                          [&newest](const std::string& version) { return version == newest; })};
}

void UpdateGateways(const std::vector<GatewayState>& gateways, const Serving& serving,
                    const std::string& now, Translation& translation) {
  for (const GatewayState& gateway : gateways) {
    UpdateStatus(*gateway.gateway, StatusOf(gateway, serving, now), translation);
    for (const ListenerSetState& set : gateway.listener_sets) {
      UpdateStatus(*set.set, StatusOf(gateway, set, serving, now), translation);
    }
  }
}

// What the schema gives to a new Gateway. One without a class of ours has it, too: nothing that
// this control plane said of it is true any longer.
v1::GatewayStatus UnclaimedStatus() {
  v1::GatewayStatus status;
  for (const char* const type : {"Accepted", "Programmed"}) {
    v1::Condition* const condition = status.add_conditions();
    condition->set_type(type);
    condition->set_status("Unknown");
    condition->set_reason("Pending");
    condition->set_message("Waiting for controller");
    condition->set_last_transition_time("1970-01-01T00:00:00Z");
  }
  return status;
}

void UpdateUnclaimed(const ResourceSet& resources, const std::vector<GatewayState>& ours,
                     Translation& translation) {
  std::set<const v1::Gateway*> claimed;
  for (const GatewayState& state : ours) claimed.insert(state.gateway);
  for (const v1::Gateway* const gateway : resources.All<v1::Gateway>()) {
    if (!claimed.contains(gateway)) UpdateStatus(*gateway, UnclaimedStatus(), translation);
  }
}

// A route may be attached to a listener that is not served (its certificate is missing, say).
template <class Route>
void KeepServed(const SnapshotAssembly& assembly, Route& route) {
  google::protobuf::RepeatedPtrField<v1::RouteAttachment> served;
  for (v1::RouteAttachment& attachment : *route.mutable_attachments()) {
    if (assembly.Has(attachment.listener())) *served.Add() = std::move(attachment);
  }
  route.mutable_attachments()->Swap(&served);
}

// Agents get the backends and issuers of routes that are served, and nobody else's credentials.
std::vector<std::string> ReferencesOf(const v1::RouteConfig& route) {
  std::set<std::string> names;
  for (const v1::RuleConfig& rule : route.rules()) {
    for (const auto& backend : rule.backends()) {
      names.insert(backend.backend());
      for (const auto& mirror : backend.mirrors()) names.insert(mirror.backend());
    }
    for (const auto& mirror : rule.mirrors()) names.insert(mirror.backend());
    for (const auto& issuer : rule.authentication().token_issuers()) names.insert(issuer);
  }
  names.erase("");
  return {names.begin(), names.end()};
}

// What a binding gives to its route, as text: it is compared with that of the last time.
std::string TextOf(const ApiBinding* binding) {
  if (binding == nullptr) return "";
  std::string text =
      Concat(binding->api->metadata().namespace_(), "/", binding->api->metadata().name(), "\n",
             Join(binding->base_paths, "\n"), "\n\n", Join(binding->token_issuers, "\n"), "\n\n",
             binding->not_deployed, "\n\n");
  if (binding->authentication != nullptr) {
    text += binding->authentication->spec().SerializeAsString();
  }
  return text;
}

// An HTTPRoute, or a GRPCRoute and the HTTPRoute that says the same.
struct AnyRoute {
  std::string name;  // Of its piece.
  std::shared_ptr<const v1::HTTPRoute> http;
  const v1::GRPCRoute* grpc = nullptr;

  const google::protobuf::Message& object() const {
    return grpc == nullptr ? static_cast<const google::protobuf::Message&>(*http) : *grpc;
  }
  RouteView view() const { return grpc == nullptr ? ViewOf(*http) : ViewOf(*grpc); }
};

// By age where there are both kinds. HTTPRoutes are not owned: the set outlives the translation.
std::vector<AnyRoute> AllRoutes(const ResourceSet& resources) {
  std::vector<AnyRoute> routes;
  for (const v1::HTTPRoute* const http : resources.All<v1::HTTPRoute>()) {
    AnyRoute& any = routes.emplace_back();
    any.name = Concat(http->metadata().namespace_(), "/", http->metadata().name());
    any.http = std::shared_ptr<const v1::HTTPRoute>(std::shared_ptr<const v1::HTTPRoute>(), http);
  }
  const size_t http_routes = routes.size();
  for (const v1::GRPCRoute* const grpc : resources.All<v1::GRPCRoute>()) {
    AnyRoute& any = routes.emplace_back();
    any.name = Concat("grpc/", grpc->metadata().namespace_(), "/", grpc->metadata().name());
    any.http = std::make_shared<v1::HTTPRoute>(AsHttpRoute(*grpc));
    any.grpc = grpc;
  }
  if (routes.size() == http_routes) return routes;
  std::sort(routes.begin(), routes.end(), [](const AnyRoute& a, const AnyRoute& b) {
    return OlderFirst(a.http.get(), b.http.get());
  });
  return routes;
}

// The outcome for one route, and what it came from.
struct RoutePiece {
  Reads reads;
  std::string binding;
  const google::protobuf::Message* object = nullptr;  // With the status that was compared last.
  v1::RouteStatus status;
  std::vector<std::string> listeners;     // That it attaches to, served or not.
  std::vector<std::string> references;    // Backends and issuers of a route that is served.
  std::set<ServiceName> services;         // That it refers to.
  std::vector<SharedResource> resources;  // None where the route is not served.
  uint64_t pass = 0;                      // The last that it was part of.
};

// The same for a Backend's status.
struct BackendPiece {
  Reads reads;
  const v1::Backend* object = nullptr;
  v1::BackendStatus status;
  uint64_t pass = 0;
};

// APIs and issuers as they were read; `bindings` points into the rest.
struct ApiPieces {
  ApiPieces(const ResourceSet& resources_read, ReadLog& log)
      : resources(resources_read), bindings(resources, issuers), reads(log.End()) {
    resources.StopObserving();
  }
  ResourceSet resources;
  SnapshotAssembly issuers;
  const ApiBindings bindings;
  Reads reads;
};

}  // namespace

struct Translator::Memory {
  uint64_t pass = 0;
  ResourceSet resources;  // As the last pass left them: with the statuses that it gave.
  Reads gateway_reads;
  std::unique_ptr<ApiPieces> apis;
  StringMap<RoutePiece> routes;         // By AnyRoute's name.
  bool mixed_routes = false;            // Of both kinds.
  StringMap<BackendPiece> backends;     // By namespace/name.
  StringMap<SharedResource> available;  // What served routes refer to, by name.
};

class Translator::Pass {
 public:
  Pass(Memory& memory, const ResourceSet& resources, const std::string& now)
      : memory_(memory),
        changes_(FindChanges(memory.resources, resources)),
        resources_(resources.ObservedBy(log_)),
        now_(now) {
    ++memory_.pass;
  }

  Result Run(const FleetReport& fleet, uint64_t revision) {
    translation_.snapshot.set_revision(revision);
    EvaluateGatewaysAnew();
    EvaluateApis();
    TranslateRoutes();
    auto snapshot = std::make_shared<SharedSnapshot>();
    snapshot->resources = TakeResources();
    snapshot->version = VersionOf(snapshot->resources);
    snapshot->revision = revision;
    UpdateGateways(gateways_, ServingOf(fleet, snapshot->version), now_, translation_);
    UpdateUnclaimed(resources_, gateways_, translation_);
    UpdateClasses(resources_, now_, translation_);
    UpdateBackends();
    return {.snapshot = std::move(snapshot),
            .status_updates = TakeStatusUpdates(),
            .routes_translated = routes_translated_};
  }

 private:
  // Always, because their statuses count routes. Routes need it only where something was different
  // that the evaluation read.
  void EvaluateGatewaysAnew() {
    gateways_changed_ = memory_.pass == 1 || changes_.Touch(memory_.gateway_reads);
    log_.Begin();
    gateways_ = EvaluateGateways(resources_, assembly_);
    memory_.gateway_reads = log_.End();
  }

  void EvaluateApis() {
    const bool valid = memory_.apis != nullptr && !changes_.Touch(memory_.apis->reads) &&
                       SameObjects<v1::API>() && SameObjects<v1::Authentication>() &&
                       SameObjects<v1::TokenIssuer>();
    if (valid) return;
    apis_changed_ = true;
    log_.Begin();
    memory_.apis = std::make_unique<ApiPieces>(resources_, log_);
    UpdateApis(memory_.apis->bindings, now_, translation_);
  }

  // Their statuses are compared with what was read, so a new status is a reason to read again.
  template <class T>
  bool SameObjects() const {
    return memory_.resources.All<T>() == resources_.All<T>();
  }

  void TranslateRoutes() {
    log_.Begin();
    policies_.emplace(resources_);
    Reads policy_reads = log_.End();
    log_.Begin();
    BackendResolver backends(resources_, *policies_, std::move(policy_reads), backends_, &log_);
    const Reads of_all = log_.End();
    const std::vector<AnyRoute> routes = AllRoutes(resources_);
    const bool all_anew = MustTranslateAll(routes);
    for (const AnyRoute& route : routes) {
      RoutePiece& piece = memory_.routes[route.name];
      if (all_anew || !IsValid(piece, route)) TranslateOne(route, of_all, backends, piece);
      if (piece.object != &route.object()) UpdateRoute(route, piece);
      piece.pass = memory_.pass;
      for (const std::string& listener : piece.listeners) ++attached_[listener];
      AddAncestors(piece.listeners, piece.services);
      route_resources_.insert(route_resources_.end(), piece.resources.begin(),
                              piece.resources.end());
      references_.insert(piece.references.begin(), piece.references.end());
    }
    ForgetOld(memory_.routes, routes.size());
    TranslateTlsRoutes(backends);
    for (const v1::BackendTLSPolicy* const policy : policies_->All()) {
      UpdateStatus(*policy, policies_->StatusOf(*policy, now_), translation_);
    }
    for (GatewayState& gateway : gateways_) {
      for (ListenerState& listener : gateway.listeners) {
        listener.attached_routes = attached_[listener.name];
      }
    }
  }

  // The Gateways that a route is attached to reach the Services that it refers to.
  void AddAncestors(const std::vector<std::string>& listeners,
                    const std::set<ServiceName>& services) {
    if (policies_->empty() || services.empty()) return;
    for (const GatewayState& gateway : gateways_) {
      const bool attached = std::any_of(
          gateway.listeners.begin(), gateway.listeners.end(), [&](const ListenerState& listener) {
            return std::find(listeners.begin(), listeners.end(), listener.name) != listeners.end();
          });
      if (!attached) continue;
      for (const ServiceName& service : services) policies_->AddAncestor(*gateway.gateway, service);
    }
  }

  // Anew each time: there are few, and little is made of each.
  void TranslateTlsRoutes(BackendResolver& backends) {
    for (const v1::TLSRoute* const route : resources_.All<v1::TLSRoute>()) {
      const RouteView view = ViewOf(*route);
      const Attachments attachments = AttachRoute(resources_, view, gateways_);
      TlsRouteTranslation translated = TranslateTlsRoute(*route, attachments, backends);
      UpdateStatus(*route, StatusOf(view, attachments, translated, now_), translation_);
      std::vector<std::string> listeners;
      for (const v1::RouteAttachment& attachment : attachments.listeners) {
        listeners.push_back(attachment.listener());
        ++attached_[attachment.listener()];
      }
      AddAncestors(listeners, backends.TakeServices());
      KeepServed(assembly_, translated.config);
      for (auto& [gateway, config] : ByBackendCertificate(std::move(translated.config))) {
        ShowCertificate(*gateway, *config.mutable_backends());
        for (const auto& backend : config.backends()) {
          if (backend.backend().empty()) continue;
          Remember(backend.backend());
          references_.insert(backend.backend());
        }
        v1::SnapshotResource resource;
        resource.set_name(ResourceName("tls-route/", config.name(), *gateway));
        *resource.mutable_tls_route() = std::move(config);
        route_resources_.push_back(Seal(std::move(resource)));
      }
    }
  }

  // The older one of an HTTPRoute and a GRPCRoute has a hostname that both want: where there are
  // both kinds, each route that changes may change any other.
  bool MustTranslateAll(const std::vector<AnyRoute>& routes) {
    const bool was_mixed = std::exchange(
        memory_.mixed_routes, std::any_of(routes.begin(), routes.end(), [](const AnyRoute& route) {
          return route.grpc != nullptr;
        }));
    if (!was_mixed && !memory_.mixed_routes) return false;
    if (was_mixed != memory_.mixed_routes || memory_.routes.size() != routes.size()) return true;
    return std::any_of(routes.begin(), routes.end(), [this](const AnyRoute& route) {
      return !IsValid(memory_.routes[route.name], route);
    });
  }

  void UpdateRoute(const AnyRoute& route, RoutePiece& piece) {
    if (route.grpc == nullptr) {
      piece.object = UpdateStatus(*route.http, piece.status, translation_);
    } else {
      piece.object = UpdateStatus(*route.grpc, piece.status, translation_);
    }
  }

  bool IsValid(const RoutePiece& piece, const AnyRoute& route) const {
    if (piece.pass == 0 || gateways_changed_ || changes_.Touch(piece.reads)) return false;
    if (!apis_changed_) return true;
    return piece.binding == TextOf(BindingOf(route));
  }

  // APIs name HTTPRoutes.
  const ApiBinding* BindingOf(const AnyRoute& route) const {
    if (route.grpc != nullptr) return nullptr;
    const v1::ObjectMeta& metadata = route.http->metadata();
    return memory_.apis->bindings.Find(metadata.namespace_(), metadata.name());
  }

  void TranslateOne(const AnyRoute& route, const Reads& of_all, BackendResolver& backends,
                    RoutePiece& piece) {
    ++routes_translated_;
    log_.Begin();
    log_.Note(of_all);
    log_.Note(HashOfRead(KeyOf(route.object())));
    const Attachments attachments = AttachRoute(resources_, route.view(), gateways_);
    RouteTranslation translated =
        TranslateRoute(resources_, *route.http, attachments, memory_.apis->bindings, backends);
    piece.reads = log_.End();
    piece.binding = TextOf(BindingOf(route));
    piece.object = nullptr;
    piece.status = StatusOf(route.view(), attachments, translated, now_);
    piece.listeners.clear();
    for (const v1::RouteAttachment& attachment : attachments.listeners) {
      piece.listeners.push_back(attachment.listener());
    }
    piece.services = backends.TakeServices();
    KeepServed(assembly_, translated.config);
    piece.resources.clear();
    piece.references.clear();
    for (auto& [gateway, config] : ByBackendCertificate(std::move(translated.config))) {
      for (v1::RuleConfig& rule : *config.mutable_rules()) {
        ShowCertificate(*gateway, *rule.mutable_mirrors());
        for (auto& backend : *rule.mutable_backends()) {
          ShowCertificate(*gateway, *backend.mutable_mirrors());
        }
        ShowCertificate(*gateway, *rule.mutable_backends());
      }
      for (const std::string& name : ReferencesOf(config)) {
        Remember(name);
        piece.references.push_back(name);
      }
      v1::SnapshotResource resource;
      const char* const folder = route.grpc == nullptr ? "route/" : "grpc-route/";
      resource.set_name(ResourceName(folder, config.name(), *gateway));
      *resource.mutable_route() = std::move(config);
      piece.resources.push_back(Seal(std::move(resource)));
    }
  }

  const GatewayState* GatewayOf(const std::string& listener) const {
    for (const GatewayState& gateway : gateways_) {
      for (const ListenerState& own : gateway.listeners) {
        if (own.name == listener) return &gateway;
      }
    }
    return nullptr;
  }

  // A route whose Gateways show different certificates to backends is there once for each, with a
  // Gateway that shows it.
  template <class Route>
  std::vector<std::pair<const GatewayState*, Route>> ByBackendCertificate(Route route) const {
    std::map<std::string, std::pair<const GatewayState*, Route>> routes;
    google::protobuf::RepeatedPtrField<v1::RouteAttachment> attachments;
    attachments.Swap(route.mutable_attachments());
    for (v1::RouteAttachment& attachment : attachments) {
      const GatewayState* const gateway = GatewayOf(attachment.listener());
      if (gateway == nullptr) continue;
      const auto [entry, is_new] = routes.try_emplace(gateway->backend_certificate, gateway, route);
      *entry->second.second.add_attachments() = std::move(attachment);
    }
    std::vector<std::pair<const GatewayState*, Route>> result;
    for (auto& [certificate, entry] : routes) result.push_back(std::move(entry));
    return result;
  }

  static std::string ResourceName(std::string_view prefix, const std::string& route,
                                  const GatewayState& gateway) {
    const std::string& certificate = gateway.backend_certificate;
    return certificate.empty() ? Concat(prefix, route) : Concat(prefix, route, " as ", certificate);
  }

  // Has what refers to TLS backends refer to them with the Gateway's certificate. REQUIRES: they
  // were resolved in this pass.
  template <class References>
  void ShowCertificate(const GatewayState& gateway, References& references) {
    if (gateway.backend_certificate.empty()) return;
    for (auto& reference : references) {
      if (!backends_.Has(reference.backend())) continue;
      v1::BackendConfig backend = backends_.Resource(reference.backend()).backend();
      if (!backend.tls_enabled()) continue;
      const v1::CertificateConfig& certificate = gateway.backend_certificate_config;
      backend.mutable_tls()->set_client_certificate_pem(certificate.certificate_chain_pem());
      backend.mutable_tls()->set_client_key_pem(certificate.private_key_pem());
      reference.set_backend(Concat(reference.backend(), " as ", gateway.backend_certificate));
      *backends_.Resource(reference.backend()).mutable_backend() = std::move(backend);
    }
  }

  // A backend that this pass resolved; issuers are looked up at the end.
  void Remember(const std::string& name) {
    if (!backends_.Has(name) || !sealed_.insert(name).second) return;
    memory_.available[name] = Seal(backends_.Resource(name));
  }

  // Listeners and certificates, routes, and what they refer to.
  std::vector<SharedResource> TakeResources() {
    std::vector<SharedResource> resources = assembly_.Take();
    resources.insert(resources.end(), route_resources_.begin(), route_resources_.end());
    for (const std::string& name : references_) {
      SharedResource resource = memory_.apis->issuers.Has(name)
                                    ? Seal(memory_.apis->issuers.Resource(name))
                                    : memory_.available[name];
      if (resource != nullptr) resources.push_back(std::move(resource));
    }
    absl::erase_if(memory_.available,
                   [this](const auto& entry) { return !references_.contains(entry.first); });
    std::sort(
        resources.begin(), resources.end(),
        [](const SharedResource& a, const SharedResource& b) { return a->name() < b->name(); });
    return resources;
  }

  void UpdateBackends() {
    const std::vector<const v1::Backend*> backends = resources_.All<v1::Backend>();
    for (const v1::Backend* const backend : backends) {
      const v1::ObjectMeta& metadata = backend->metadata();
      BackendPiece& piece = memory_.backends[Concat(metadata.namespace_(), "/", metadata.name())];
      if (piece.pass == 0 || changes_.Touch(piece.reads)) {
        log_.Begin();
        log_.Note(HashOfRead(KeyOf(*backend)));
        piece.status = BackendStatusOf(resources_, *backend, now_);
        piece.reads = log_.End();
        piece.object = nullptr;
      }
      if (piece.object != backend) {
        piece.object = UpdateStatus(*backend, piece.status, translation_);
      }
      piece.pass = memory_.pass;
    }
    ForgetOld(memory_.backends, backends.size());
  }

  template <class Pieces>
  void ForgetOld(Pieces& pieces, size_t present) {
    if (pieces.size() == present) return;
    absl::erase_if(pieces, [this](const auto& entry) { return entry.second.pass != memory_.pass; });
  }

  std::vector<ResourcePtr> TakeStatusUpdates() {
    std::vector<ResourcePtr> updates = std::move(translation_.status_updates);
    std::sort(updates.begin(), updates.end(),
              [](const ResourcePtr& a, const ResourcePtr& b) { return KeyOf(*a) < KeyOf(*b); });
    return updates;
  }

  Memory& memory_;
  ReadLog log_;
  const Changes changes_;
  const ResourceSet resources_;
  const std::string& now_;

  SnapshotAssembly assembly_;  // Listeners and certificates.
  SnapshotAssembly backends_;  // Resolved in this pass.
  std::vector<GatewayState> gateways_;
  std::optional<BackendTlsPolicies> policies_;
  StringMap<int> attached_;  // Routes, by listener.
  bool gateways_changed_ = false;
  bool apis_changed_ = false;
  int routes_translated_ = 0;
  std::vector<SharedResource> route_resources_;
  absl::flat_hash_set<std::string, StringHash, std::equal_to<>> references_;
  absl::flat_hash_set<std::string> sealed_;
  Translation translation_;  // Its status_updates; its snapshot has a revision and nothing else.
};

Translator::Translator() : memory_(std::make_unique<Memory>()) {}
Translator::~Translator() = default;

Translator::Result Translator::Translate(const ResourceSet& resources, const FleetReport& fleet,
                                         uint64_t revision, const std::string& now) {
  Result result = Pass(*memory_, resources, now).Run(fleet, revision);
  memory_->resources = resources;
  for (const ResourcePtr& object : result.status_updates) memory_->resources.Put(object);
  return result;
}

Translation Translate(const ResourceSet& resources, const FleetReport& fleet, uint64_t revision,
                      const std::string& now) {
  Translator::Result result = Translator().Translate(resources, fleet, revision, now);
  return {.snapshot = result.snapshot->ToProto(),
          .status_updates = std::move(result.status_updates)};
}

}  // namespace apk

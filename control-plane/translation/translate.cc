// One pass: gateways, APIs, routes, backends; what read nothing that changed is taken over. The
// order of the steps is here, each lives in a file of its own.
#include "control-plane/translation/translate.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "apk/v1/backend.pb.h"
#include "apk/v1/routes.pb.h"
#include "common/strings.h"
#include "control-plane/resources/grpc_route.h"
#include "control-plane/resources/object_bytes.h"
#include "control-plane/translation/api_binding.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/backend_tls_policies.h"
#include "control-plane/translation/changes.h"
#include "control-plane/translation/gateways.h"
#include "control-plane/translation/read_log.h"
#include "control-plane/translation/references.h"
#include "control-plane/translation/resolve_backends.h"
#include "control-plane/translation/route_pieces.h"
#include "control-plane/translation/session_persistence.h"
#include "control-plane/translation/snapshot_assembly.h"
#include "control-plane/translation/status_updates.h"
#include "control-plane/translation/translate_route.h"
#include "control-plane/translation/translate_tls_route.h"
#include "control-plane/translation/translator.h"

namespace apk {
namespace {

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
  ForEachReference(route, [&names](const std::string& name) { names.insert(name); });
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

// The outcome for a Backend's status, and what it came from.
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
  KeptRoutes routes;
  HeldBack held_back;                               // Of the last pass.
  StringMap<BackendPiece> backends;                 // By namespace/name.
  std::map<std::string, SharedResource> available;  // What served routes refer to, by name.
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

  Result Run(const FleetReport& fleet, uint64_t revision, const SlicesPtr& served) {
    translation_.snapshot.set_revision(revision);
    translation_.held = &fleet.held_back.objects;
    translation_.now = &now_;
    refused_ = &fleet.held_back.refused;
    held_changed_ = memory_.held_back.objects != fleet.held_back.objects;
    EvaluateGatewaysAnew();
    EvaluateApis();
    TranslateRoutes();
    auto snapshot = std::make_shared<SharedSnapshot>();
    snapshot->resources = TakeResources();
    snapshot->version = VersionOf(snapshot->resources);
    snapshot->revision = revision;
    snapshot->scopes = Scopes();
    auto slices = std::make_shared<const SnapshotSlices>(std::move(snapshot));
    UpdateGateways(gateways_, fleet, served == nullptr ? *slices : *served, now_, translation_);
    UpdateUnclaimed(resources_, gateways_, translation_);
    UpdateClasses(resources_, now_, translation_);
    UpdateBackends();
    memory_.held_back = fleet.held_back;
    return {.snapshot = std::move(slices),
            .resources = {},
            .status_updates = TakeStatusUpdates(),
            .routes_translated = routes_translated_};
  }

 private:
  std::vector<GatewayScope> Scopes() const {
    std::vector<GatewayScope> scopes;
    for (const GatewayState& gateway : gateways_) {
      if (gateway.agents.text.empty()) continue;
      const v1::ObjectMeta& metadata = gateway.gateway->metadata();
      scopes.push_back({.gateway = Concat(metadata.namespace_(), "/", metadata.name()),
                        .agents = gateway.agents});
    }
    return scopes;
  }

  // Always, because their statuses count routes. Routes need it only where something was different
  // that the evaluation read.
  void EvaluateGatewaysAnew() {
    gateways_changed_ = memory_.pass == 1 || changes_.Touch(memory_.gateway_reads);
    log_.Begin();
    gateways_ = EvaluateGateways(resources_, assembly_);
    memory_.gateway_reads = log_.End();
  }

  void EvaluateApis() {
    const bool valid = memory_.apis != nullptr && !held_changed_ &&
                       !changes_.Touch(memory_.apis->reads) && SameObjects<v1::API>() &&
                       SameObjects<v1::Authentication>() && SameObjects<v1::TokenIssuer>();
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
    routes_ = ListRoutes(resources_, memory_.routes);
    for (const AnyRoute& route : routes_.InOrderOfPrecedence()) {
      if (!IsValid(route)) {
        TranslateOne(route, of_all, backends);
      } else if (routes_.both_kinds) {
        TakeHostnames(route);
      }
    }
    for (const AnyRoute& route : routes_.all) {
      RoutePiece& piece = *route.piece;
      if (piece.object != &route.object() || held_changed_ || RefusalChanged(piece)) {
        UpdateRoute(route, piece);
      }
      if (piece.accepted) CountAttached(piece.listeners);
      AddAncestors(piece.listeners, piece.services);
      route_resources_.insert(route_resources_.end(), piece.resources.begin(),
                              piece.resources.end());
      references_.insert(piece.references.begin(), piece.references.end());
    }
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

  // Of routes that are accepted (Gateway API, ListenerStatus.attachedRoutes).
  void CountAttached(const RouteAttachments& listeners) {
    for (const v1::RouteAttachment& attachment : listeners) ++attached_[attachment.listener()];
  }

  // The Gateways that a route is attached to reach the Services that it refers to.
  void AddAncestors(const RouteAttachments& listeners, const std::set<ServiceName>& services) {
    if (policies_->empty() || services.empty()) return;
    for (const GatewayState& gateway : gateways_) {
      const bool attached = std::any_of(
          gateway.listeners.begin(), gateway.listeners.end(), [&](const ListenerState& listener) {
            return std::any_of(listeners.begin(), listeners.end(), [&](const auto& attachment) {
              return attachment.listener() == listener.name;
            });
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
      v1::RouteStatus status = StatusOf(view, attachments, translated, now_);
      if (const std::string refusal =
              RefusalOf(*refused_, Concat("tls-route/", translated.config.name()));
          !refusal.empty()) {
        AddRefusal(view, refusal, now_, status);
      }
      UpdateStatus(*route, status, translation_);
      if (!translated.all_invalid) CountAttached(attachments.listeners);
      AddAncestors(attachments.listeners, backends.TakeServices());
      KeepServed(assembly_, translated.config);
      for (auto& [gateway, config] : ByGateways(std::move(translated.config))) {
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

  // As attaching the route would.
  void TakeHostnames(const AnyRoute& route) {
    for (const v1::RouteAttachment& attachment : route.piece->listeners) {
      ListenerState* const listener = ListenerOf(attachment.listener());
      if (listener == nullptr) continue;
      listener->hostnames[route.kind()].insert(attachment.hostnames().begin(),
                                               attachment.hostnames().end());
    }
  }

  ListenerState* ListenerOf(const std::string& name) {
    if (listeners_.empty()) {
      for (GatewayState& gateway : gateways_) {
        for (ListenerState& listener : gateway.listeners) listeners_[listener.name] = &listener;
      }
    }
    const auto found = listeners_.find(name);
    return found == listeners_.end() ? nullptr : found->second;
  }

  void UpdateRoute(const AnyRoute& route, RoutePiece& piece) {
    v1::RouteStatus status = piece.status;
    if (const std::string refusal = RefusalOf(*refused_, piece); !refusal.empty()) {
      AddRefusal(route.view(), refusal, now_, status);
    }
    if (route.grpc == nullptr) {
      piece.object = UpdateStatus(*route.http, status, translation_);
    } else {
      piece.object = UpdateStatus(*route.grpc, status, translation_);
    }
  }

  using Refusals = std::map<std::string, std::string>;

  // What an agent has against a resource of that name, or one that was made for one Gateway of
  // several.
  static std::string RefusalOf(const Refusals& refusals, const std::string& name) {
    for (const auto& [resource, message] : refusals) {
      if (resource == name || resource.starts_with(Concat(name, " "))) return message;
    }
    return "";
  }
  static std::string RefusalOf(const Refusals& refusals, const RoutePiece& piece) {
    if (refusals.empty()) return "";
    for (const SharedResource& resource : piece.resources) {
      const auto found = refusals.find(resource->name());
      if (found != refusals.end()) return found->second;
    }
    return "";
  }

  bool RefusalChanged(const RoutePiece& piece) const {
    if (memory_.held_back.refused == *refused_) return false;
    return RefusalOf(memory_.held_back.refused, piece) != RefusalOf(*refused_, piece);
  }

  // REQUIRES: routes that go before it were looked at.
  bool IsValid(const AnyRoute& route) const {
    const RoutePiece& piece = *route.piece;
    if (!piece.translated || gateways_changed_ || changes_.Touch(piece.reads)) return false;
    if (routes_.WantsWhatChanged(route)) return false;
    return !apis_changed_ || piece.binding == TextOf(BindingOf(route));
  }

  // APIs name HTTPRoutes.
  const ApiBinding* BindingOf(const AnyRoute& route) const {
    if (route.grpc != nullptr) return nullptr;
    const v1::ObjectMeta& metadata = route.http->metadata();
    return memory_.apis->bindings.Find(metadata.namespace_(), metadata.name());
  }

  void TranslateOne(const AnyRoute& route, const Reads& of_all, BackendResolver& backends) {
    ++routes_translated_;
    RoutePiece& piece = *route.piece;
    const v1::HTTPRoute converted =
        route.grpc == nullptr ? v1::HTTPRoute() : AsHttpRoute(*route.grpc);
    log_.Begin();
    log_.Note(of_all);
    log_.Note(HashOfRead(KeyOf(route.object())));
    Attachments attachments = AttachRoute(resources_, route.view(), gateways_);
    RouteTranslation translated =
        TranslateRoute(resources_, route.grpc == nullptr ? *route.http : converted, attachments,
                       memory_.apis->bindings, backends);
    piece.reads = log_.End();
    piece.translated = true;
    piece.binding = TextOf(BindingOf(route));
    piece.object = nullptr;
    piece.status = StatusOf(route.view(), attachments, translated, now_);
    if (!SameAttachments(piece.listeners, attachments.listeners)) {
      routes_.AddChanged(route.kind(), piece.listeners);
      routes_.AddChanged(route.kind(), attachments.listeners);
    }
    piece.listeners = std::move(attachments.listeners);
    piece.accepted = !translated.all_invalid;
    piece.taken = std::move(attachments.taken);
    piece.services = backends.TakeServices();
    KeepServed(assembly_, translated.config);
    piece.resources.clear();
    piece.references.clear();
    for (auto& [gateway, config] : ByGateways(std::move(translated.config))) {
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

  // A route whose Gateways show different certificates to backends, or are for different agents, is
  // there once for each, with one of these Gateways.
  template <class Route>
  std::vector<std::pair<const GatewayState*, Route>> ByGateways(Route route) const {
    std::map<std::pair<std::string, std::string>, std::pair<const GatewayState*, Route>> routes;
    google::protobuf::RepeatedPtrField<v1::RouteAttachment> attachments;
    attachments.Swap(route.mutable_attachments());
    for (v1::RouteAttachment& attachment : attachments) {
      const GatewayState* const gateway = GatewayOf(attachment.listener());
      if (gateway == nullptr) continue;
      const auto [entry, is_new] =
          routes.try_emplace({gateway->backend_certificate, gateway->agents.text}, gateway, route);
      *entry->second.second.add_attachments() = std::move(attachment);
    }
    std::vector<std::pair<const GatewayState*, Route>> result;
    for (auto& [key, entry] : routes) result.push_back(std::move(entry));
    return result;
  }

  static std::string ResourceName(std::string_view prefix, const std::string& route,
                                  const GatewayState& gateway) {
    std::string name = Concat(prefix, route);
    if (!gateway.backend_certificate.empty()) name += Concat(" as ", gateway.backend_certificate);
    if (!gateway.agents.text.empty()) name += Concat(" for ", gateway.agents.text);
    return name;
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

  static bool SameAttachments(const RouteAttachments& a, const RouteAttachments& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), SameMessage);
  }

  // Listeners and certificates, routes, what they refer to, and the installation's.
  std::vector<SharedResource> TakeResources() {
    if (const std::string key = MirrorLoopKey(resources_); !key.empty()) {
      assembly_.Resource("installation").mutable_installation()->set_mirror_loop_key(key);
    }
    std::vector<SharedResource> resources = assembly_.Take();
    for (const std::string& name : references_) {
      if (memory_.apis->issuers.Has(name)) {
        resources.push_back(Seal(memory_.apis->issuers.Resource(name)));
      }
    }
    std::sort(resources.begin(), resources.end(), ByName);
    // These are sorted as they are, and what is sorted is merged: there may be very many.
    std::vector<SharedResource> available;
    std::erase_if(memory_.available,
                  [this](const auto& entry) { return !references_.contains(entry.first); });
    for (const auto& [name, resource] : memory_.available) available.push_back(resource);
    // Nearly always: namespaces "a" and "a-b" are in another order with "/" behind them.
    if (!std::is_sorted(route_resources_.begin(), route_resources_.end(), ByName)) {
      std::sort(route_resources_.begin(), route_resources_.end(), ByName);
    }
    return Merge(Merge(std::move(resources), std::move(available)), std::move(route_resources_));
  }

  static bool ByName(const SharedResource& a, const SharedResource& b) {
    return a->name() < b->name();
  }

  static std::vector<SharedResource> Merge(std::vector<SharedResource> a,
                                           std::vector<SharedResource> b) {
    std::vector<SharedResource> merged;
    merged.reserve(a.size() + b.size());
    std::merge(std::move_iterator(a.begin()), std::move_iterator(a.end()),
               std::move_iterator(b.begin()), std::move_iterator(b.end()),
               std::back_inserter(merged), ByName);
    return merged;
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
      if (piece.object != backend || held_changed_) {
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
  const std::map<std::string, std::string>* refused_ = nullptr;  // As in HeldBack.

  SnapshotAssembly assembly_;  // Listeners and certificates.
  SnapshotAssembly backends_;  // Resolved in this pass.
  std::vector<GatewayState> gateways_;
  std::optional<BackendTlsPolicies> policies_;
  StringMap<int> attached_;    // Routes, by listener.
  bool held_changed_ = false;  // Which objects are held back, or why.
  bool gateways_changed_ = false;
  bool apis_changed_ = false;
  RouteList routes_;
  StringMap<ListenerState*> listeners_;  // By name.
  int routes_translated_ = 0;
  std::vector<SharedResource> route_resources_;
  absl::flat_hash_set<std::string, StringHash, std::equal_to<>> references_;
  absl::flat_hash_set<std::string> sealed_;
  Translation translation_;  // Its status_updates; its snapshot has a revision and nothing else.
};

Translator::Translator() : memory_(std::make_unique<Memory>()) {}
Translator::~Translator() = default;

Translator::Result Translator::Translate(ResourceSet resources, const FleetReport& fleet,
                                         uint64_t revision, const std::string& now,
                                         const SlicesPtr& served) {
  Result result = Pass(*memory_, resources, now).Run(fleet, revision, served);
  for (const ResourcePtr& object : result.status_updates) resources.Put(object);
  memory_->resources = resources;
  result.resources = std::move(resources);
  return result;
}

Translation Translate(const ResourceSet& resources, const FleetReport& fleet, uint64_t revision,
                      const std::string& now) {
  Translator::Result result = Translator().Translate(resources, fleet, revision, now);
  return {.snapshot = result.snapshot->whole()->ToProto(),
          .status_updates = std::move(result.status_updates)};
}

}  // namespace apk

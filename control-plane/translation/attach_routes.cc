// Each parentRef narrows the listeners down; where none is left, the last step says why.
#include "control-plane/translation/attach_routes.h"

#include <algorithm>
#include <map>
#include <set>

#include "apk/v1/core.pb.h"
#include "common/strings.h"

namespace apk {
namespace {

bool Covers(const std::string& wildcard, const std::string& name) {
  if (!wildcard.starts_with("*.")) return false;
  const std::string_view suffix = std::string_view(wildcard).substr(1);
  return name.size() > suffix.size() && name.ends_with(suffix);
}

// "" where there is no common name.
std::string Intersect(const std::string& a, const std::string& b) {
  if (a == b) return a;
  if (Covers(a, b)) return b;
  if (Covers(b, a)) return a;
  return "";
}

bool Matches(const v1::LabelSelectorRequirement& requirement,
             const std::map<std::string, std::string>& labels) {
  const auto found = labels.find(requirement.key());
  const bool listed =
      found != labels.end() && std::find(requirement.values().begin(), requirement.values().end(),
                                         found->second) != requirement.values().end();
  if (requirement.operator_() == "In") return listed;
  if (requirement.operator_() == "NotIn") return !listed;
  if (requirement.operator_() == "Exists") return found != labels.end();
  return found == labels.end();
}

bool Selects(const ResourceSet& resources, const v1::LabelSelector& selector,
             const std::string& namespace_name) {
  std::map<std::string, std::string> labels;
  const auto* const object = resources.Find<v1::Namespace>("", namespace_name);
  if (object != nullptr) {
    labels.insert(object->metadata().labels().begin(), object->metadata().labels().end());
  }
  labels["kubernetes.io/metadata.name"] = namespace_name;  // Kubernetes sets it on each.
  for (const auto& [key, value] : selector.match_labels()) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return std::all_of(selector.match_expressions().begin(), selector.match_expressions().end(),
                     [&labels](const auto& requirement) { return Matches(requirement, labels); });
}

bool NamespaceAllowed(const ResourceSet& resources, const v1::Gateway& gateway,
                      const v1::GatewayListener& listener, const std::string& namespace_name) {
  const v1::RouteNamespaces& namespaces = listener.allowed_routes().namespaces();
  const std::string& from = namespaces.from();
  if (from == "All") return true;
  if (from == "None") return false;
  if (from == "Selector") return Selects(resources, namespaces.selector(), namespace_name);
  return gateway.metadata().namespace_() == namespace_name;
}

GatewayState* FindGateway(std::vector<GatewayState>& gateways, const std::string& namespace_name,
                          const std::string& name) {
  for (GatewayState& state : gateways) {
    const v1::ObjectMeta& metadata = state.gateway->metadata();
    if (metadata.namespace_() == namespace_name && metadata.name() == name) return &state;
  }
  return nullptr;
}

std::vector<std::string> HostnamesOf(const RouteView& route) {
  std::vector<std::string> hostnames;
  for (const std::string& hostname : route.hostnames) hostnames.push_back(ToLower(hostname));
  return hostnames;
}

class Attacher {
 public:
  Attacher(const ResourceSet& resources, const RouteView& route)
      : resources_(resources), route_(route), hostnames_(HostnamesOf(route)) {}

  ParentOutcome Attach(const v1::ParentReference& reference, GatewayState& gateway) {
    ParentOutcome outcome;
    outcome.reference = &reference;
    size_t candidates = 0;
    size_t allowed = 0;
    size_t attached = 0;
    for (ListenerState& listener : gateway.listeners) {
      if (!reference.section_name().empty() && reference.section_name() != listener.spec->name())
        continue;
      if (reference.has_port() && reference.port() != listener.spec->port()) continue;
      ++candidates;
      if (!listener.Admits(route_.kind) ||
          !NamespaceAllowed(resources_, *gateway.gateway, *listener.spec,
                            route_.metadata.namespace_())) {
        continue;
      }
      ++allowed;
      const std::vector<std::string> common = IntersectHostnames(listener.hostname, hostnames_);
      if (common.empty() || !listener.Attachable()) continue;
      ++attached;
      Join(listener, common);
    }
    if (attached > 0) return outcome;
    Explain(gateway, candidates, allowed, outcome.problem);
    return outcome;
  }

  std::vector<v1::RouteAttachment> Take() {
    std::vector<v1::RouteAttachment> attachments;
    for (auto& [name, hostnames] : attachments_) {
      v1::RouteAttachment& attachment = attachments.emplace_back();
      attachment.set_listener(name);
      for (const std::string& hostname : hostnames) attachment.add_hostnames(hostname);
    }
    return attachments;
  }

 private:
  void Join(ListenerState& listener, const std::vector<std::string>& hostnames) {
    auto& joined = attachments_[listener.name];
    if (joined.empty()) ++listener.attached_routes;
    joined.insert(hostnames.begin(), hostnames.end());
  }

  void Explain(const GatewayState& gateway, size_t candidates, size_t allowed,
               Problem& problem) const {
    const v1::ObjectMeta& metadata = gateway.gateway->metadata();
    const std::string name = Concat("Gateway ", metadata.namespace_(), "/", metadata.name());
    if (candidates == 0) {
      problem.Add("NoMatchingParent",
                  Concat(name, " has no listener with that sectionName and port"));
    } else if (allowed == 0) {
      problem.Add("NotAllowedByListeners",
                  Concat(name, ": allowedRoutes of its listeners do not admit ", route_.kind,
                         "s of namespace ", route_.metadata.namespace_()));
    } else {
      problem.Add("NoMatchingListenerHostname",
                  Concat(name, ": no valid listener shares a hostname with the route"));
    }
  }

  const ResourceSet& resources_;
  const RouteView& route_;
  const std::vector<std::string> hostnames_;
  std::map<std::string, std::set<std::string>> attachments_;
};

}  // namespace

std::vector<std::string> IntersectHostnames(const std::string& listener,
                                            const std::vector<std::string>& route) {
  if (route.empty()) return {listener};
  if (listener.empty()) return route;
  std::vector<std::string> common;
  for (const std::string& hostname : route) {
    const std::string shared = Intersect(listener, hostname);
    if (!shared.empty()) common.push_back(shared);
  }
  return common;
}

Attachments AttachRoute(const ResourceSet& resources, const RouteView& route,
                        std::vector<GatewayState>& gateways) {
  Attachments result;
  Attacher attacher(resources, route);
  for (const v1::ParentReference& reference : route.parent_refs) {
    const bool is_gateway = (!reference.has_group() || reference.group() == kGatewayGroup) &&
                            (!reference.has_kind() || reference.kind() == "Gateway");
    if (!is_gateway) continue;
    const std::string& namespace_name =
        reference.namespace_().empty() ? route.metadata.namespace_() : reference.namespace_();
    GatewayState* const gateway = FindGateway(gateways, namespace_name, reference.name());
    if (gateway != nullptr) {
      result.parents.push_back(attacher.Attach(reference, *gateway));
    } else if (resources.Find<v1::Gateway>(namespace_name, reference.name()) == nullptr) {
      ParentOutcome& outcome = result.parents.emplace_back();
      outcome.reference = &reference;
      outcome.problem.Add("NoMatchingParent", Concat("Gateway ", namespace_name, "/",
                                                     reference.name(), " does not exist"));
    }
  }
  result.listeners = attacher.Take();
  return result;
}

}  // namespace apk

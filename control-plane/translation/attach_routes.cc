// Parent by parent: an object that has listeners, then those of its listeners that fit.
#include "control-plane/translation/attach_routes.h"

#include <map>
#include <set>

#include "common/strings.h"
#include "control-plane/translation/hostnames.h"
#include "control-plane/translation/namespace_selection.h"

namespace apk {
namespace {

// What a parentRef can name: a Gateway, or a ListenerSet of one.
struct Parent {
  GatewayState* gateway = nullptr;
  const v1::ListenerSet* set = nullptr;  // nullptr: the Gateway itself.
  std::string name;                      // For messages.
};

bool IsNamed(const v1::ObjectMeta& metadata, const std::string& namespace_name,
             const std::string& name) {
  return metadata.namespace_() == namespace_name && metadata.name() == name;
}

// `gateway` is nullptr where the parent is none of ours.
Parent FindParent(std::vector<GatewayState>& gateways, const std::string& kind,
                  const std::string& namespace_name, const std::string& name) {
  Parent parent;
  parent.name = Concat(kind, " ", namespace_name, "/", name);
  for (GatewayState& state : gateways) {
    if (kind == "Gateway") {
      if (IsNamed(state.gateway->metadata(), namespace_name, name)) parent.gateway = &state;
      continue;
    }
    for (const ListenerSetState& set : state.listener_sets) {
      if (!IsNamed(set.set->metadata(), namespace_name, name)) continue;
      parent.gateway = &state;
      parent.set = set.set;
    }
  }
  return parent;
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

  ParentOutcome Attach(const v1::ParentReference& reference, const Parent& parent) {
    ParentOutcome outcome;
    outcome.reference = &reference;
    size_t candidates = 0;
    size_t allowed = 0;
    size_t attached = 0;
    size_t taken = 0;
    std::set<std::string> offered;  // Hostnames of the listeners that would take the route.
    for (ListenerState& listener : parent.gateway->listeners) {
      if (listener.set != parent.set) continue;
      if (!reference.section_name().empty() && reference.section_name() != listener.spec->name())
        continue;
      if (reference.has_port() && reference.port() != listener.spec->port()) continue;
      ++candidates;
      if (!listener.Admits(route_.kind) ||
          !NamespaceAllowed(resources_, listener.spec->allowed_routes().namespaces(),
                            listener.namespace_name, route_.metadata.namespace_())) {
        continue;
      }
      ++allowed;
      if (listener.Attachable()) offered.insert(listener.hostname);
      const std::vector<std::string> common = HostnamesOn(listener.hostname, hostnames_);
      if (common.empty() || !listener.Attachable()) continue;
      if (TakenByOtherKind(listener, common)) {
        ++taken;
        taken_[listener.name].insert(common.begin(), common.end());
        continue;
      }
      ++attached;
      Join(listener, common);
    }
    if (attached > 0) return outcome;
    if (taken > 0) {
      outcome.problem.Add(
          "HostnameConflict",
          Concat("an older ", route_.kind == "GRPCRoute" ? "HTTPRoute" : "GRPCRoute",
                 " has a hostname of this route on the same listener"));
      return outcome;
    }
    Explain(parent, candidates, allowed, offered, outcome.problem);
    return outcome;
  }

  RouteAttachments listeners() const { return AsAttachments(attachments_); }
  RouteAttachments taken() const { return AsAttachments(taken_); }

 private:
  using HostnamesByListener = std::map<std::string, std::set<std::string>>;

  static RouteAttachments AsAttachments(const HostnamesByListener& listeners) {
    RouteAttachments attachments;
    for (const auto& [name, hostnames] : listeners) {
      v1::RouteAttachment& attachment = attachments.emplace_back();
      attachment.set_listener(name);
      for (const std::string& hostname : hostnames) attachment.add_hostnames(hostname);
    }
    return attachments;
  }

  void Join(ListenerState& listener, const std::vector<std::string>& hostnames) {
    auto& joined = attachments_[listener.name];
    if (joined.empty()) ++listener.attached_routes;
    joined.insert(hostnames.begin(), hostnames.end());
    listener.hostnames[route_.kind].insert(hostnames.begin(), hostnames.end());
  }

  // HTTPRoutes and GRPCRoutes may not share a hostname; a TLSRoute is on listeners of its own.
  bool TakenByOtherKind(const ListenerState& listener,
                        const std::vector<std::string>& hostnames) const {
    for (const auto& [kind, taken] : listener.hostnames) {
      if (kind == route_.kind) continue;
      for (const std::string& other : taken) {
        if (OverlapsAny(other, hostnames)) return true;
      }
    }
    return false;
  }

  void Explain(const Parent& parent, size_t candidates, size_t allowed,
               const std::set<std::string>& offered, Problem& problem) const {
    if (candidates == 0) {
      problem.Add("NoMatchingParent",
                  Concat(parent.name, " has no listener with that sectionName and port"));
    } else if (allowed == 0) {
      problem.Add("NotAllowedByListeners",
                  Concat(parent.name, ": allowedRoutes of its listeners do not admit ", route_.kind,
                         "s of namespace ", route_.metadata.namespace_()));
    } else {
      problem.Add("NoMatchingListenerHostname",
                  Concat(parent.name, ": no valid listener shares a hostname with the route",
                         offered.empty() ? "" : "; they have ",
                         apk::Join({offered.begin(), offered.end()}, ", ")));
    }
  }

  const ResourceSet& resources_;
  const RouteView& route_;
  const std::vector<std::string> hostnames_;
  HostnamesByListener attachments_;
  HostnamesByListener taken_;
};

bool Exists(const ResourceSet& resources, const std::string& kind,
            const std::string& namespace_name, const std::string& name) {
  return resources.Find({.group = kGatewayGroup,
                         .kind = kind,
                         .namespace_name = namespace_name,
                         .name = name}) != nullptr;
}

}  // namespace

Attachments AttachRoute(const ResourceSet& resources, const RouteView& route,
                        std::vector<GatewayState>& gateways) {
  Attachments result;
  Attacher attacher(resources, route);
  for (const v1::ParentReference& reference : route.parent_refs) {
    const std::string kind = reference.has_kind() ? reference.kind() : "Gateway";
    const bool has_listeners = (!reference.has_group() || reference.group() == kGatewayGroup) &&
                               (kind == "Gateway" || kind == "ListenerSet");
    if (!has_listeners) continue;
    const std::string& namespace_name =
        reference.namespace_().empty() ? route.metadata.namespace_() : reference.namespace_();
    const Parent parent = FindParent(gateways, kind, namespace_name, reference.name());
    if (parent.gateway != nullptr) {
      result.parents.push_back(attacher.Attach(reference, parent));
    } else if (!Exists(resources, kind, namespace_name, reference.name())) {
      ParentOutcome& outcome = result.parents.emplace_back();
      outcome.reference = &reference;
      outcome.problem.Add("NoMatchingParent", Concat(parent.name, " does not exist"));
    }
  }
  result.listeners = attacher.listeners();
  result.taken = attacher.taken();
  return result;
}

}  // namespace apk

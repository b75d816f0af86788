// Gateways of our classes, listener by listener: what is served, what is not and why. Pure.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/gateway.pb.h"
#include "apk/v1/listener_set.pb.h"
#include "apk/v1/snapshot.pb.h"
#include "control-plane/resources/agent_selector.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/conditions.h"
#include "control-plane/translation/snapshot_assembly.h"
#include "control-plane/translation/translate.h"

namespace apk {

struct ListenerState {
  const v1::GatewayListener* spec = nullptr;
  const v1::ListenerSet* set = nullptr;  // That it comes from; nullptr: it is the Gateway's own.
  std::string namespace_name;            // Of the object that it stands in.
  // Of the ListenerConfig: "listener/<namespace>/<gateway>/<listener>", or, of a ListenerSet,
  // "listener/<namespace>/<gateway>/<namespace>/<set>/<listener>".
  std::string name;
  std::string hostname;     // Lower case.
  Problem accepted;         // Empty: it is.
  Problem resolved;         // Includes kinds of routes that do not exist.
  bool unresolved = false;  // It has no certificate to show, though it should.
  Problem conflicted;
  Problem overlapping;             // TLS listeners beside it that share hostnames with it.
  std::vector<std::string> kinds;  // Of routes of the Gateway API's group that may attach, sorted.
  // Hostnames of attached routes, by kind: HTTPRoutes and GRPCRoutes may not share one.
  std::map<std::string, std::set<std::string>> hostnames;
  std::vector<std::string> certificates;
  std::optional<v1::ClientValidationConfig> client_validation;
  int attached_routes = 0;

  // Routes of that kind may attach to it.
  bool Admits(std::string_view kind) const {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
  // It is well enough for routes to attach to it.
  bool Attachable() const { return accepted.empty() && conflicted.empty(); }
  // It can be part of the snapshot where its Gateway is accepted.
  bool Served() const { return Attachable() && !unresolved && !kinds.empty(); }
};

// A ListenerSet that names a Gateway of ours as its parent.
struct ListenerSetState {
  const v1::ListenerSet* set = nullptr;
  Problem accepted;  // Empty: its listeners are among the Gateway's.
};

struct GatewayState {
  const v1::Gateway* gateway = nullptr;
  std::vector<std::string> addresses;  // To be bound; none: the agents' own.
  AgentSelector agents;
  Problem accepted;
  Problem resolved;                 // What the Gateway itself refers to.
  std::string backend_certificate;  // Name of the one that is shown to backends; or "".
  v1::CertificateConfig backend_certificate_config;
  bool insecure_frontend = false;  // A port takes clients without a valid certificate.
  // Its own in the order of its spec, then those of ListenerSets, in the order of precedence.
  std::vector<ListenerState> listeners;
  std::vector<ListenerSetState> listener_sets;  // Oldest first.

  // The listener, one of this Gateway's, is part of the snapshot.
  bool Serves(const ListenerState& listener) const { return accepted.empty() && listener.Served(); }
  // One of the listeners of `set` is part of the snapshot; nullptr asks for the Gateway's own.
  bool ServesAnyOf(const v1::ListenerSet* set) const;
};

// GatewayClasses whose controller this is, by name.
std::vector<std::string> OurClasses(const ResourceSet& resources);

// Oldest first. Certificates and listeners that are served are put into the assembly.
std::vector<GatewayState> EvaluateGateways(const ResourceSet& resources,
                                           SnapshotAssembly& assembly);

// What the agents that a Gateway is for make of the snapshot that is being made.
struct Serving {
  const FleetReport& fleet;
  int connected = 0;                // Of all agents.
  int selected = 0;                 // Those of them that the Gateway is for.
  bool confirmed = false;           // Each of these runs what it should.
  std::set<std::string> addresses;  // Theirs, where listeners without one are bound.
};

// With routes counted: the status of one Gateway, of one of its ListenerSets, of one class.
v1::GatewayStatus StatusOf(const GatewayState& state, const Serving& serving,
                           const std::string& now);
v1::ListenerSetStatus StatusOf(const GatewayState& gateway, const ListenerSetState& state,
                               const Serving& serving, const std::string& now);
v1::GatewayClassStatus StatusOf(const v1::GatewayClass& gateway_class, const std::string& now);

}  // namespace apk

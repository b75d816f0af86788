// Gateways of our classes, listener by listener: what is served, what is not and why. Pure.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "apk/v1/gateway.pb.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/conditions.h"
#include "control-plane/translation/snapshot_assembly.h"
#include "control-plane/translation/translate.h"

namespace apk {

struct ListenerState {
  const v1::GatewayListener* spec = nullptr;
  std::string name;      // Of the ListenerConfig: "listener/<namespace>/<gateway>/<listener>".
  std::string hostname;  // Lower case.
  Problem accepted;      // Empty: it is.
  Problem resolved;      // Includes kinds of routes that do not exist.
  Problem certificate;   // What of `resolved` keeps it from being served.
  Problem conflicted;
  std::vector<std::string> kinds;  // Of routes that may attach.
  std::vector<std::string> certificates;
  int attached_routes = 0;

  // Routes of that kind may attach to it.
  bool Admits(std::string_view kind) const {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
  // It is well enough for routes to attach to it.
  bool Attachable() const { return accepted.empty() && conflicted.empty(); }
  // It can be part of the snapshot where its Gateway is accepted.
  bool Served() const { return Attachable() && certificate.empty() && !kinds.empty(); }
};

struct GatewayState {
  const v1::Gateway* gateway = nullptr;
  std::vector<std::string> addresses;  // As in spec; none: the agents' own.
  Problem accepted;
  std::vector<ListenerState> listeners;

  // The listener, one of this Gateway's, is part of the snapshot.
  bool Serves(const ListenerState& listener) const { return accepted.empty() && listener.Served(); }
};

// GatewayClasses whose controller this is, by name.
std::vector<std::string> OurClasses(const ResourceSet& resources);

// Oldest first. Certificates and listeners that are served are put into the assembly.
std::vector<GatewayState> EvaluateGateways(const ResourceSet& resources,
                                           SnapshotAssembly& assembly);

// With routes counted: the status of one Gateway, of one class.
v1::GatewayStatus StatusOf(const GatewayState& state, const FleetReport& fleet,
                           const std::string& now);
v1::GatewayClassStatus StatusOf(const v1::GatewayClass& gateway_class, const std::string& now);

}  // namespace apk

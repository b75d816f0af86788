// HTTPRoutes and GRPCRoutes, each with what was kept of its last translation. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/grpc_route.pb.h"
#include "apk/v1/routes.pb.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/backend_tls_policies.h"
#include "control-plane/translation/hostname_claims.h"
#include "control-plane/translation/read_log.h"
#include "control-plane/translation/shared_snapshot.h"

namespace apk {

// The outcome for one route, and what it came from.
struct RoutePiece {
  bool translated = false;
  Reads reads;
  std::string binding;
  const google::protobuf::Message* object = nullptr;  // With the status that was compared last.
  std::string created;                                // Its creationTimestamp.
  v1::RouteStatus status;
  RouteAttachments listeners;             // That it attaches to, served or not.
  bool accepted = false;                  // Some rule of it can be served.
  RouteAttachments taken;                 // As Attachments has them.
  std::vector<std::string> references;    // Backends and issuers of a route that is served.
  std::set<ServiceName> services;         // That it refers to.
  std::vector<SharedResource> resources;  // None where the route is not served.
};

// By namespace and name.
using RoutePieces = std::map<std::pair<std::string, std::string>, RoutePiece>;

// An HTTPRoute or a GRPCRoute.
struct AnyRoute {
  const v1::HTTPRoute* http = nullptr;
  const v1::GRPCRoute* grpc = nullptr;
  RoutePiece* piece = nullptr;

  const google::protobuf::Message& object() const {
    return grpc == nullptr ? static_cast<const google::protobuf::Message&>(*http) : *grpc;
  }
  const v1::ObjectMeta& metadata() const {
    return grpc == nullptr ? http->metadata() : grpc->metadata();
  }
  const std::string& kind() const { return object().GetDescriptor()->name(); }
  RouteView view() const { return grpc == nullptr ? ViewOf(*http) : ViewOf(*grpc); }
};

struct KeptRoutes {
  RoutePieces http;
  RoutePieces grpc;
};

// The routes of one state of the resources, which outlives it, as do the pieces.
struct RouteList {
  // GRPCRoutes, then HTTPRoutes, each by namespace and name: nearly the order of their resources'
  // names.
  std::vector<AnyRoute> all;
  bool both_kinds = false;  // Then routes can want the same hostname.
  bool had_both_kinds = false;
  HostnameClaims changed;

  // By age where there are both kinds: the older one has a hostname that both want.
  std::vector<AnyRoute> InOrderOfPrecedence() const;
  // A route of that kind has, or had, these.
  void AddChanged(const std::string& kind, const RouteAttachments& attachments);
  // As far as routes are known to have changed.
  bool WantsWhatChanged(const AnyRoute& route) const;
};

// New routes get empty pieces; pieces of routes that are gone, go.
RouteList ListRoutes(const ResourceSet& resources, KeptRoutes& kept);

}  // namespace apk

// Side by side with the pieces of the last time.
#include "control-plane/translation/route_pieces.h"

#include <algorithm>

#include "control-plane/translation/age_order.h"

namespace apk {
namespace {

// Both are sorted by namespace and name.
template <class Route, class Found>
void FindPieces(const std::vector<const Route*>& routes, RoutePieces& pieces, RouteList& list,
                const Found& found) {
  const std::string& kind = Route::descriptor()->name();
  auto piece = pieces.begin();
  const auto forget = [&] {
    list.AddChanged(kind, piece->second.listeners);
    piece = pieces.erase(piece);
  };
  for (const Route* const route : routes) {
    const v1::ObjectMeta& metadata = route->metadata();
    // What is the same object as last time needs no look at its name.
    if (piece == pieces.end() || piece->second.object != route) {
      const RoutePieces::key_type name(metadata.namespace_(), metadata.name());
      while (piece != pieces.end() && piece->first < name) forget();
      if (piece == pieces.end() || name < piece->first) {
        piece = pieces.emplace_hint(piece, name, RoutePiece());
      }
    }
    // At another place in the order.
    if (piece->second.created != metadata.creation_timestamp()) {
      list.AddChanged(kind, piece->second.listeners);
      piece->second = RoutePiece();
      piece->second.created = metadata.creation_timestamp();
    }
    found(route, &piece->second);
    ++piece;
  }
  while (piece != pieces.end()) forget();
}

}  // namespace

std::vector<AnyRoute> RouteList::InOrderOfPrecedence() const {
  std::vector<AnyRoute> routes = all;
  if (both_kinds) {
    std::stable_sort(routes.begin(), routes.end(), [](const AnyRoute& a, const AnyRoute& b) {
      return OlderMetadata(a.metadata(), b.metadata());
    });
  }
  return routes;
}

void RouteList::AddChanged(const std::string& kind, const RouteAttachments& attachments) {
  if (both_kinds || had_both_kinds) changed.AddChanged(kind, attachments);
}

bool RouteList::WantsWhatChanged(const AnyRoute& route) const {
  return changed.Touch(route.kind(), route.piece->listeners) ||
         changed.Touch(route.kind(), route.piece->taken);
}

RouteList ListRoutes(const ResourceSet& resources, KeptRoutes& kept) {
  RouteList list;
  const auto http_routes = resources.All<v1::HTTPRoute>();
  const auto grpc_routes = resources.All<v1::GRPCRoute>();
  list.both_kinds = !http_routes.empty() && !grpc_routes.empty();
  list.had_both_kinds = !kept.http.empty() && !kept.grpc.empty();
  list.all.reserve(http_routes.size() + grpc_routes.size());
  FindPieces(grpc_routes, kept.grpc, list, [&list](const auto* route, RoutePiece* piece) {
    list.all.push_back({.http = nullptr, .grpc = route, .piece = piece});
  });
  FindPieces(http_routes, kept.http, list, [&list](const auto* route, RoutePiece* piece) {
    list.all.push_back({.http = route, .grpc = nullptr, .piece = piece});
  });
  return list;
}

}  // namespace apk

// Look-ups on the request path: no locks, no allocation for a plain match.
#include "data-plane/routing/route_table.h"

#include <algorithm>
#include <tuple>

#include "data-plane/routing/host_table.h"

namespace apk {

const Listener* Port::FindListener(std::string_view host) const {
  for (const Listener& listener : listeners) {
    if (HostnameTakes(listener.hostname, host)) return &listener;
  }
  return nullptr;
}

const Port* RouteTable::FindPort(std::string_view address, uint16_t port) const {
  const auto key = std::make_tuple(address, port);
  const auto it =
      std::lower_bound(ports_.begin(), ports_.end(), key, [](const Port& a, const auto& b) {
        return std::make_tuple(std::string_view(a.address), a.port) < b;
      });
  if (it == ports_.end() || it->address != address || it->port != port) return nullptr;
  return &*it;
}

std::optional<RouteMatch> RouteTable::Match(const Listener& listener, const RequestHead& request) {
  std::optional<RouteMatch> found(std::in_place);
  if (!listener.hosts->Find(request, *found)) found.reset();
  return found;
}

}  // namespace apk

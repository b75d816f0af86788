// The Host that a backend sees.
#pragma once

#include <string>
#include <string_view>

#include "data-plane/routing/route_table.h"

namespace apk {

// The client's `authority`, or the endpoint's host[:port] where the backend rewrites it. `scratch`
// holds the result in that case.
inline std::string_view UpstreamHost(const Backend& backend, size_t endpoint,
                                     std::string_view authority, std::string& scratch) {
  if (!backend.rewrite_host || backend.endpoints.empty()) return authority;
  const Endpoint& chosen = backend.endpoints[endpoint];
  const bool is_ipv6 = chosen.host.find(':') != std::string::npos;
  scratch = is_ipv6 ? Concat("[", chosen.host, "]") : chosen.host;
  const uint16_t default_port = backend.tls.has_value() ? 443 : 80;
  if (chosen.port != default_port) scratch += Concat(":", std::to_string(chosen.port));
  return scratch;
}

}  // namespace apk

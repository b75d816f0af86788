// Where a connection to a backend goes, and what it must find there.
#pragma once

#include "data-plane/net/dialer.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// REQUIRES: the backend has that endpoint.
inline DialTarget DialTargetOf(const Backend& backend, size_t endpoint) {
  DialTarget target;
  target.host = backend.endpoints[endpoint].host;
  target.port = backend.endpoints[endpoint].port;
  target.tls = backend.tls.has_value();
  if (!target.tls) return target;
  target.offer_http2 = backend.http2;
  const BackendTls& tls = *backend.tls;
  target.settings.ca_pem = tls.ca_pem;
  target.settings.certificate_pem = tls.certificate_pem;
  target.settings.key_pem = tls.key_pem;
  target.names.server_name = tls.server_name;
  target.names.allowed_names = tls.allowed_sans;
  target.names.allowed_uris = tls.allowed_uris;
  return target;
}

}  // namespace apk

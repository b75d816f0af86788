// One TLSRoute: where connections to its hostnames go. Pure.
#pragma once

#include "apk/v1/snapshot.pb.h"
#include "apk/v1/tls_route.pb.h"
#include "control-plane/translation/attach_routes.h"
#include "control-plane/translation/resolve_backends.h"
#include "control-plane/translation/route_status.h"

namespace apk {

struct TlsRouteTranslation : RouteProblems {
  v1::TlsRouteConfig config;  // Without attachments: not part of the snapshot.
};

TlsRouteTranslation TranslateTlsRoute(const v1::TLSRoute& route, const Attachments& attachments,
                                      BackendResolver& backends);

}  // namespace apk

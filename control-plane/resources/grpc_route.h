// A GRPCRoute as the HTTPRoute that says the same: a method is a path (gRPC over HTTP/2), and
// everything else is shared. Pure.
#pragma once

#include "apk/v1/grpc_route.pb.h"
#include "apk/v1/routes.pb.h"

namespace apk {

// Rules, matches, filters and backendRefs keep their places, so that what is said of one is said of
// the other. `kind` of the result is still GRPCRoute; its status is the route's.
v1::HTTPRoute AsHttpRoute(const v1::GRPCRoute& route);

}  // namespace apk

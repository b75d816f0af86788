// gRPC over HTTP/2, as far as a gateway must speak it itself. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "data-plane/http/message.h"

namespace apk {

// HTTP/2 with content-type application/grpc[+…].
bool IsGrpc(const RequestHead& request);

// The grpc-status, in digits, that stands for an HTTP status of a gateway (gRPC's "HTTP to gRPC
// Status Code Mapping").
std::string_view GrpcStatusOf(uint16_t http_status);

}  // namespace apk

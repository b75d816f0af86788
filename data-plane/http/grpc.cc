// The table of gRPC's document, and the Gateway API's UNAVAILABLE where a rule's backends do not
// resolve.
#include "data-plane/http/grpc.h"

#include <optional>

namespace apk {

bool IsGrpc(const RequestHead& request) {
  if (request.major_version != 2) return false;
  const std::optional<std::string_view> type = request.headers.Get("content-type");
  constexpr std::string_view kType = "application/grpc";
  if (!type.has_value() || !type->starts_with(kType)) return false;
  return type->size() == kType.size() || (*type)[kType.size()] == '+' ||
         (*type)[kType.size()] == ';';
}

std::string_view GrpcStatusOf(uint16_t http_status) {
  switch (http_status) {
    case 400:
    case 431:
      return "13";  // INTERNAL
    case 401:
      return "16";  // UNAUTHENTICATED
    case 403:
      return "7";  // PERMISSION_DENIED
    case 404:
      return "12";  // UNIMPLEMENTED
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return "14";  // UNAVAILABLE
    default:
      return "2";  // UNKNOWN
  }
}

}  // namespace apk

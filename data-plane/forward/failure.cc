// The table.
#include "data-plane/forward/failure.h"

#include <array>
#include <string>

#include "common/strings.h"

namespace apk {
namespace {

struct Row {
  Failure failure;
  std::string_view name;
  uint16_t status;
  std::string_view code;
  std::string_view message;
  std::string_view description;
};

constexpr std::array kRows = {
    Row{Failure::kNoRoute, "no_route", 404, "404", "Not Found",
        "The requested resource is not available."},
    Row{Failure::kNotConfigured, "not_configured", 500, "102507",
        "Upstream not configured for the resource", "The rule has no backend that exists."},
    Row{Failure::kNoEndpoints, "no_endpoints", 503, "102508", "No healthy upstream",
        "The backend has no endpoint that is ready."},
    Row{Failure::kOverflow, "overflow", 503, "102505", "Upstream overflow",
        "The backend has as many requests as it may have."},
    Row{Failure::kConnect, "connect", 503, "102503", "Upstream connection failed",
        "The backend could not be reached."},
    Row{Failure::kConnectTimeout, "connect_timeout", 504, "102504", "Upstream connection timeout",
        "The backend did not accept a connection in time."},
    Row{Failure::kTls, "tls", 503, "102503", "Upstream connection failed",
        "The TLS handshake with the backend failed."},
    Row{Failure::kTimeout, "timeout", 504, "102504", "Upstream connection timeout",
        "The backend did not answer in time."},
    Row{Failure::kReset, "reset", 503, "102509", "Upstream connection reset",
        "The backend closed the connection before it answered."},
    Row{Failure::kProtocol, "protocol", 502, "102515", "Upstream protocol error",
        "The backend's answer is not valid HTTP."},
    Row{Failure::kMisdirected, "misdirected", 421, "421", "Misdirected Request",
        "This connection was set up for another host."},
    Row{Failure::kMalformedRequest, "malformed_request", 400, "400", "Bad Request",
        "The request is not valid HTTP, or its path can be read in two ways (as with %2F)."},
    Row{Failure::kTargetTooLong, "target_too_long", 414, "414", "URI Too Long",
        "The request target is too long."},
    Row{Failure::kHeadTooLarge, "head_too_large", 431, "431", "Request Header Fields Too Large",
        "The request's header fields are too many or too large."},
    Row{Failure::kVersion, "version", 505, "505", "HTTP Version Not Supported",
        "HTTP/1.0 and HTTP/1.1 are served here."},
    Row{Failure::kBodyTooLarge, "body_too_large", 413, "413", "Content Too Large",
        "The request's body is larger than this gateway takes."},
    Row{Failure::kRequestTimeout, "request_timeout", 408, "408", "Request Timeout",
        "The request did not arrive in time."},
    Row{Failure::kUpgrade, "upgrade", 501, "501", "Not Implemented", "CONNECT is not served here."},
    Row{Failure::kPendingOverflow, "pending_overflow", 503, "102505", "Upstream overflow",
        "As many requests wait for a connection to the backend as may."},
};

const Row& RowOf(Failure failure) { return kRows[static_cast<size_t>(failure)]; }

constexpr bool InOrder() {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<size_t>(kRows[i].failure) != i) return false;
  }
  return true;
}
static_assert(InOrder());

}  // namespace

std::string_view FailureName(Failure failure) { return RowOf(failure).name; }

Failure FailureForRefusal(uint16_t status) {
  switch (status) {
    case 408:
      return Failure::kRequestTimeout;
    case 414:
      return Failure::kTargetTooLong;
    case 431:
      return Failure::kHeadTooLarge;
    case 505:
      return Failure::kVersion;
    default:
      return Failure::kMalformedRequest;
  }
}

Reply ReplyFor(Failure failure) {
  const Row& row = RowOf(failure);
  Reply reply;
  reply.status = row.status;
  reply.content_type = "application/json";
  reply.body = Concat("{\"code\":\"", row.code, "\",\"message\":\"", row.message,
                      "\",\"description\":\"", row.description, "\"}");
  return reply;
}

}  // namespace apk

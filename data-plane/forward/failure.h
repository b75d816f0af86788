// Why a request was not answered by its backend: the one table from there to status, body and
// metric.
#pragma once

#include <cstdint>
#include <string_view>

#include "data-plane/filters/filter.h"

namespace apk {

enum class Failure : uint8_t {
  kNoRoute,        // Nothing matches.
  kNotConfigured,  // The rule has no backend, or its reference leads nowhere.
  kNoEndpoints,    // The backend has no endpoint that could answer.
  kOverflow,       // The backend has as many requests as it may have.
  kConnect,        // Refused, unreachable, or its name does not resolve.
  kConnectTimeout,
  kTls,          // The handshake with the backend failed.
  kTimeout,      // No answer in time.
  kReset,        // The connection broke before an answer.
  kProtocol,     // The answer was no HTTP.
  kMisdirected,  // Host belongs to another listener than the one that TLS was set up for.
  kMalformedRequest,
  kTargetTooLong,
  kHeadTooLarge,
  kVersion,
  kBodyTooLarge,
  kRequestTimeout,  // The client did not finish its head or body in time.
  kUpgrade,         // CONNECT and the like.
  kPendingOverflow,  // As many requests wait for a connection to the backend as may.
};

// For metrics and logs: "no_route".
std::string_view FailureName(Failure failure);

// For a head that was refused with `status` before it was understood.
Failure FailureForRefusal(uint16_t status);

// Status and JSON body as WSO2 APK's clients know them.
Reply ReplyFor(Failure failure);

}  // namespace apk

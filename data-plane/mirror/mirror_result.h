// What became of a copy. The outcomes exclude each other, so that once nothing is under way
// matched = sent + failed + timeout + aborted + dropped + skipped, exactly.
#pragma once

#include <cstdint>
#include <string_view>

namespace apk {

// One outcome and its reason.
enum class MirrorResult : uint8_t {
  kSent,  // Answered by the mirror.
  kFailedConnect,
  kFailedDns,
  kFailedTls,
  kFailedReset,     // The connection broke before an answer.
  kFailedProtocol,  // The answer was no HTTP.
  kTimeout,
  kAborted,  // The client did not finish its request.
  kDroppedQueue,
  kDroppedBytes,
  kDroppedSlowReader,
  kDroppedBreakerOpen,
  kDroppedShutdown,
  kSkippedRejected,    // The gateway answered the request itself.
  kSkippedUnresolved,  // The mirror's reference leads nowhere.
  kSkippedSampling,
  kSkippedLoop,     // It is a mirror's copy itself.
  kSkippedUpgrade,  // WebSockets are not mirrored.
  kCount,
};

std::string_view OutcomeName(MirrorResult result);  // "dropped"
std::string_view ReasonName(MirrorResult result);   // "queue", "" where the outcome says it all.

}  // namespace apk

// Names, as metrics have them.
#include "data-plane/mirror/mirror_result.h"

namespace apk {

std::string_view OutcomeName(MirrorResult result) {
  switch (result) {
    case MirrorResult::kSent:
      return "sent";
    case MirrorResult::kFailedConnect:
    case MirrorResult::kFailedDns:
    case MirrorResult::kFailedTls:
    case MirrorResult::kFailedReset:
    case MirrorResult::kFailedProtocol:
      return "failed";
    case MirrorResult::kTimeout:
      return "timeout";
    case MirrorResult::kAborted:
      return "aborted";
    case MirrorResult::kDroppedQueue:
    case MirrorResult::kDroppedBytes:
    case MirrorResult::kDroppedSlowReader:
    case MirrorResult::kDroppedBreakerOpen:
    case MirrorResult::kDroppedShutdown:
      return "dropped";
    case MirrorResult::kSkippedRejected:
    case MirrorResult::kSkippedUnresolved:
    case MirrorResult::kSkippedSampling:
    case MirrorResult::kSkippedLoop:
    case MirrorResult::kSkippedUpgrade:
      return "skipped";
    case MirrorResult::kCount:
      break;
  }
  return "";
}

std::string_view ReasonName(MirrorResult result) {
  switch (result) {
    case MirrorResult::kFailedConnect:
      return "connect";
    case MirrorResult::kFailedDns:
      return "dns";
    case MirrorResult::kFailedTls:
      return "tls";
    case MirrorResult::kFailedReset:
      return "reset";
    case MirrorResult::kFailedProtocol:
      return "protocol";
    case MirrorResult::kDroppedQueue:
      return "queue";
    case MirrorResult::kDroppedBytes:
      return "bytes";
    case MirrorResult::kDroppedSlowReader:
      return "slow_reader";
    case MirrorResult::kDroppedBreakerOpen:
      return "breaker_open";
    case MirrorResult::kDroppedShutdown:
      return "shutdown";
    case MirrorResult::kSkippedRejected:
      return "rejected";
    case MirrorResult::kSkippedUnresolved:
      return "unresolved";
    case MirrorResult::kSkippedSampling:
      return "sampling";
    case MirrorResult::kSkippedLoop:
      return "loop";
    case MirrorResult::kSkippedUpgrade:
      return "upgrade";
    case MirrorResult::kSent:
    case MirrorResult::kTimeout:
    case MirrorResult::kAborted:
    case MirrorResult::kCount:
      break;
  }
  return "";
}

}  // namespace apk

// A copy has one outcome, as the metrics count it; it is the span's.
#include "data-plane/mirror/mirror_trace.h"

#include <chrono>
#include <string>
#include <utility>

namespace apk {

void MirrorTrace::End(MirrorResult result) {
  span->End(std::chrono::system_clock::now());
  span->Set("apk.mirror.outcome", OutcomeName(result));
  const std::string_view reason = ReasonName(result);
  if (!reason.empty()) span->Set("apk.mirror.reason", reason);
  if (status != 0) span->Set("http.response.status_code", int64_t{status});
  if (result != MirrorResult::kSent) {
    span->Fail(reason.empty() ? OutcomeName(result) : reason);
  } else if (status >= 400) {
    span->Fail(std::to_string(status));
  }
  to->Push(std::move(span));
}

}  // namespace apk

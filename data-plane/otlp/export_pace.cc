// Of the statuses OTLP names four that pass; all others will be the same next time.
#include "data-plane/otlp/export_pace.h"

#include <algorithm>

namespace apk {

ExportVerdict VerdictOn(uint16_t status) {
  if (status >= 200 && status < 300) return ExportVerdict::kTaken;
  const bool passes =
      status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
  return passes ? ExportVerdict::kRetry : ExportVerdict::kRefused;
}

void ExportPace::OnRetry(TimePoint now, std::optional<std::chrono::seconds> retry_after,
                         double jitter) {
  using std::chrono::milliseconds;
  milliseconds wait =
      pause_ + milliseconds(static_cast<int64_t>(static_cast<double>(pause_.count()) * jitter / 4));
  if (retry_after.has_value()) {
    constexpr auto kLongest = std::chrono::duration_cast<std::chrono::seconds>(kPatience);
    wait = std::max<milliseconds>(wait, std::min(*retry_after, kLongest));
  }
  pause_ = std::min(pause_ * 2, kLongestPause);
  next_ = now + wait;
}

}  // namespace apk

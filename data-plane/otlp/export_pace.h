// When a batch is posted again, and when it is given up (OTLP 1.x, "OTLP/HTTP response"). Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "common/clock.h"

namespace apk {

// What an answer means for the batch; 0: there was none.
enum class ExportVerdict : uint8_t { kTaken, kRetry, kRefused };
ExportVerdict VerdictOn(uint16_t status);

class ExportPace {
 public:
  static constexpr std::chrono::milliseconds kFirstPause{500};
  static constexpr std::chrono::milliseconds kLongestPause{30'000};
  // A batch that nobody took for so long is given up.
  static constexpr std::chrono::milliseconds kPatience{60'000};

  // A batch that has not been posted yet is next.
  void Begin(TimePoint now) { give_up_at_ = now + kPatience; }
  void OnTaken() { pause_ = kFirstPause; }
  // Twice as long each time, a quarter more by chance (`jitter` from 0 to 1), or as long as the
  // collector says, up to kPatience.
  void OnRetry(TimePoint now, std::optional<std::chrono::seconds> retry_after, double jitter);

  // Nothing is posted before, whichever batch it is: the collector is in trouble.
  TimePoint next() const { return next_; }
  // Its time will be up by then.
  bool GivesUp() const { return next_ >= give_up_at_; }

 private:
  std::chrono::milliseconds pause_ = kFirstPause;
  TimePoint next_{};
  TimePoint give_up_at_{};
};

}  // namespace apk

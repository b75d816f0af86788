// How much one user may ask of the APIs in a second and at a time, so that nobody keeps others, or
// agents, waiting. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "common/clock.h"
#include "common/strings.h"

namespace apk {

// 0: no limit.
struct LimitOptions {
  uint32_t reads = 400;  // A second; ten seconds' worth at once, as for changes.
  uint32_t changes = 100;
  uint32_t calls = 32;   // At a time, without applies and watches.
  uint32_t applies = 4;  // Whose objects are being received or applied.
  uint32_t watches = 32;
};

class Limits {
 public:
  enum class Call { kRead, kChange, kApply, kWatch };

  explicit Limits(const LimitOptions& options) : options_(options) {}

  // One more now. RESOURCE_EXHAUSTED, here and below, says which limit, by which flag, and when to
  // come again.
  absl::Status Take(const std::string& user, Call call, TimePoint now);

  // A call begins, before its message is read. If that does not arrive within a minute (Run) it is
  // forgotten: nothing tells of calls that are broken off before. Any other ends with End.
  absl::Status Begin(const std::string& user, Call call, TimePoint now);
  void Run(const std::string& user, Call call);
  void End(const std::string& user, Call call);

 private:
  struct Bucket {
    double tokens = -1;  // Below 0: it is new, and full.
    TimePoint at{};
  };
  struct Places {
    std::deque<TimePoint> arriving;  // When they began.
    size_t running = 0;
    size_t Taken(TimePoint now);
  };
  struct Usage {
    Bucket reads;
    Bucket changes;
    Places calls;
    Places applies;
    Places watches;
    Places& Of(Call call);
    bool Idle(TimePoint now);
  };
  Usage& UsageOf(const std::string& user, TimePoint now);

  const LimitOptions options_;
  std::mutex mutex_;
  StringMap<Usage> users_;
};

// Whole seconds until it is worth asking again; 0 where the status says nothing of that.
int RetryAfterSeconds(const absl::Status& refused);

}  // namespace apk

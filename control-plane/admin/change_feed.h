// Committed changes, for those who watch: a bounded window of the newest. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

struct Change {
  uint64_t revision = 0;
  v1::WatchEvent::Type type = v1::WatchEvent::TYPE_UNSPECIFIED;
  ResourceKey key;
  ResourcePtr object;  // The last state of a deleted one.
};

class ChangeFeed {
 public:
  static constexpr size_t kChangesMax = 65'536;

  // Changes of one revision, revisions in order.
  void Append(std::vector<Change> changes);
  // Changes after `revision`, in order; waits at most `patience` for the first. nullopt when some
  // of them have left the window: start again from the present state.
  std::optional<std::vector<Change>> After(uint64_t revision, std::chrono::milliseconds patience);
  // Ends all waiting, for good.
  void Close();

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Change> changes_;
  uint64_t forgotten_ = 0;  // Changes up to this revision are gone.
  bool closed_ = false;
};

}  // namespace apk

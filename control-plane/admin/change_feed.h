// Committed changes, for those who watch: a bounded window of the newest. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
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
  ResourcePtr before;  // nullptr: there was none.
};

class ChangeFeed {
 public:
  static constexpr size_t kChangesMax = 65'536;

  // Changes up to `revision` are not here: they were made before the start.
  void BeginAfter(uint64_t revision);
  // Changes of one revision, revisions in order.
  void Append(std::vector<Change> changes);
  // Changes after `revision`, in order; waits at most `patience` for the first. nullopt when some
  // of them have left the window: start again from the present state. About `changes_max` of them:
  // those of one revision come together.
  std::optional<std::vector<Change>> After(uint64_t revision, std::chrono::milliseconds patience,
                                           size_t changes_max = std::numeric_limits<size_t>::max());
  // Called after each Append, on its thread, until it is set anew; it must not wait.
  void OnAppend(std::function<void()> listener);
  // Ends all waiting, for good.
  void Close();

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Change> changes_;
  std::function<void()> listener_;
  uint64_t forgotten_ = 0;  // Changes up to this revision are gone.
  bool closed_ = false;
};

}  // namespace apk

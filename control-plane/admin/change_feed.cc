// A deque and a condition.
#include "control-plane/admin/change_feed.h"

#include <algorithm>

namespace apk {

void ChangeFeed::Append(std::vector<Change> changes) {
  {
    const std::lock_guard lock(mutex_);
    for (Change& change : changes) changes_.push_back(std::move(change));
    while (changes_.size() > kChangesMax) {
      forgotten_ = changes_.front().revision;
      changes_.pop_front();
    }
  }
  arrived_.notify_all();
}

std::optional<std::vector<Change>> ChangeFeed::After(uint64_t revision,
                                                     std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, patience, [&] {
    return closed_ || revision < forgotten_ ||
           (!changes_.empty() && changes_.back().revision > revision);
  });
  if (revision < forgotten_) return std::nullopt;
  const auto first = std::upper_bound(
      changes_.begin(), changes_.end(), revision,
      [](uint64_t wanted, const Change& change) { return wanted < change.revision; });
  return std::vector<Change>(first, changes_.end());
}

void ChangeFeed::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace apk

// A deque and a condition.
#include "control-plane/admin/change_feed.h"

#include <algorithm>

namespace apk {

void ChangeFeed::BeginAfter(uint64_t revision) {
  const std::lock_guard lock(mutex_);
  forgotten_ = revision;
}

void ChangeFeed::OnAppend(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void ChangeFeed::Append(std::vector<Change> changes) {
  {
    const std::lock_guard lock(mutex_);
    for (Change& change : changes) changes_.push_back(std::move(change));
    while (changes_.size() > kChangesMax) {
      forgotten_ = changes_.front().revision;
      changes_.pop_front();
    }
    if (listener_ != nullptr) listener_();
  }
  arrived_.notify_all();
}

std::optional<std::vector<Change>> ChangeFeed::After(uint64_t revision,
                                                     std::chrono::milliseconds patience,
                                                     size_t changes_max) {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, patience, [&] {
    return closed_ || revision < forgotten_ ||
           (!changes_.empty() && changes_.back().revision > revision);
  });
  if (revision < forgotten_) return std::nullopt;
  const auto first = std::upper_bound(
      changes_.begin(), changes_.end(), revision,
      [](uint64_t wanted, const Change& change) { return wanted < change.revision; });
  auto last = changes_.end();
  if (static_cast<size_t>(last - first) > changes_max) {
    last = std::upper_bound(first, changes_.end(), first[static_cast<std::ptrdiff_t>(changes_max)],
                            [](const Change& wanted, const Change& change) {
                              return wanted.revision < change.revision;
                            });
  }
  return std::vector<Change>(first, last);
}

void ChangeFeed::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

}  // namespace apk

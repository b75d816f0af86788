// Watchers are called under the lock: that is what makes Unwatch a full stop.
#include "control-plane/discovery/snapshot_cache.h"

namespace apk {

void SnapshotCache::Publish(SnapshotPtr snapshot) {
  const std::lock_guard lock(mutex_);
  const bool same = newest_->version == snapshot->version;
  newest_ = std::move(snapshot);
  if (same) return;
  for (const auto& [number, watcher] : watchers_) watcher(newest_);
}

SnapshotPtr SnapshotCache::Newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

int SnapshotCache::Watch(Watcher watcher) {
  const std::lock_guard lock(mutex_);
  watchers_[next_number_] = std::move(watcher);
  return next_number_++;
}

void SnapshotCache::Unwatch(int number) {
  const std::lock_guard lock(mutex_);
  watchers_.erase(number);
}

}  // namespace apk

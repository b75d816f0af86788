// Parts are made outside of the lock: SnapshotSlices has one of its own.
#include "control-plane/discovery/snapshot_cache.h"

namespace apk {

void SnapshotCache::Publish(SlicesPtr snapshot) {
  {
    const std::lock_guard lock(mutex_);
    std::swap(newest_, snapshot);
    if (newest_->SameAs(*snapshot)) return;
  }
  const std::lock_guard lock(listener_mutex_);
  if (changed_) changed_();
}

SnapshotPtr SnapshotCache::Newest() const {
  const std::lock_guard lock(mutex_);
  return newest_->whole();
}

SnapshotPtr SnapshotCache::For(const AgentScope& agent) const {
  SlicesPtr newest;
  {
    const std::lock_guard lock(mutex_);
    newest = newest_;
  }
  return newest->For(agent.labels);
}

void SnapshotCache::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(listener_mutex_);
  changed_ = std::move(changed);
}

}  // namespace apk

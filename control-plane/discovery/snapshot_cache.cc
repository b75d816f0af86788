// Watchers are called under the lock: that is what makes Unwatch a full stop.
#include "control-plane/discovery/snapshot_cache.h"

namespace apk {

void SnapshotCache::Publish(SlicesPtr snapshot) {
  const std::lock_guard lock(mutex_);
  const bool same = newest_->SameAs(*snapshot);
  newest_ = std::move(snapshot);
  if (same) return;
  for (const auto& [number, watched] : watchers_) watched.watcher(Choose(watched.agent));
}

SnapshotPtr SnapshotCache::Newest() const {
  const std::lock_guard lock(mutex_);
  return newest_->whole();
}

SnapshotPtr SnapshotCache::For(const AgentScope& agent) const {
  const std::lock_guard lock(mutex_);
  return Choose(agent);
}

int SnapshotCache::Watch(AgentScope agent, Watcher watcher) {
  const std::lock_guard lock(mutex_);
  watchers_[next_number_] = {.agent = std::move(agent), .watcher = std::move(watcher)};
  return next_number_++;
}

void SnapshotCache::Move(int number, AgentScope agent) {
  const std::lock_guard lock(mutex_);
  const auto found = watchers_.find(number);
  if (found == watchers_.end() || found->second.agent == agent) return;
  found->second.agent = std::move(agent);
  found->second.watcher(Choose(found->second.agent));
}

void SnapshotCache::Unwatch(int number) {
  const std::lock_guard lock(mutex_);
  watchers_.erase(number);
}

}  // namespace apk

// Parts are made outside of the lock: SnapshotSlices has one of its own.
#include "control-plane/discovery/snapshot_cache.h"

#include "control-plane/rollout/agent_key.h"

namespace apk {
namespace {

constexpr size_t kSpansMax = 4;

SlicesPtr NoneFor(const SlicesPtr& slices) {
  if (slices != nullptr) return slices;
  return std::make_shared<const SnapshotSlices>(std::make_shared<const SharedSnapshot>());
}

}  // namespace

// True where agents get something else of it than before.
bool SnapshotCache::TakeIn(SlicesPtr snapshot) {
  const bool same = newest_->SameAs(*snapshot);
  const bool same_held = newest_->whole()->held == snapshot->whole()->held;
  newest_ = std::move(snapshot);
  const uint64_t revision = newest_->whole()->revision;
  if (same && same_held && !spans_.empty()) {
    spans_.back().last = revision;
    return false;
  }
  spans_.push_back({.first = revision, .last = revision, .slices = newest_});
  if (spans_.size() > kSpansMax) spans_.pop_front();
  return !same;
}

void SnapshotCache::Publish(SlicesPtr snapshot) {
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = TakeIn(std::move(snapshot)) && !targets_.has_value();
  }
  const std::lock_guard lock(listener_mutex_);
  if (changed && changed_) changed_();
  if (published_) published_();
}

void SnapshotCache::Changed() {
  const std::lock_guard lock(listener_mutex_);
  if (changed_) changed_();
}

void SnapshotCache::Hold() {
  const std::lock_guard lock(mutex_);
  if (targets_.has_value()) return;
  targets_.emplace();
  targets_->promoted = newest_;
}

void SnapshotCache::SetTargets(RolloutTargets targets) {
  {
    const std::lock_guard lock(mutex_);
    targets_ = std::move(targets);
  }
  Changed();
}

void SnapshotCache::Release() {
  {
    const std::lock_guard lock(mutex_);
    if (!targets_.has_value()) return;
    targets_.reset();
  }
  Changed();
}

void SnapshotCache::SetTrial(SnapshotTrial trial) {
  {
    const std::lock_guard lock(mutex_);
    if (trial.agent == trial_.agent && trial.slices == trial_.slices) return;
    trial_ = std::move(trial);
  }
  Changed();
}

SnapshotPtr SnapshotCache::Newest() const {
  const std::lock_guard lock(mutex_);
  return newest_->whole();
}

SlicesPtr SnapshotCache::NewestSlices() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

uint64_t SnapshotCache::FirstRevision() const {
  const std::lock_guard lock(mutex_);
  uint64_t first = 0;
  for (auto span = spans_.rbegin(); span != spans_.rend() && span->slices->SameAs(*newest_);
       ++span) {
    first = span->first;
  }
  return first;
}

SlicesPtr SnapshotCache::Find(uint64_t revision, const std::vector<uint64_t>& held) const {
  const std::lock_guard lock(mutex_);
  for (const Span& span : spans_) {
    const bool there = span.first <= revision && revision <= span.last;
    if (there && span.slices->whole()->held == held) return span.slices;
  }
  return nullptr;
}

SlicesPtr SnapshotCache::Held() const {
  const std::lock_guard lock(mutex_);
  return targets_.has_value() ? NoneFor(targets_->promoted) : newest_;
}

SnapshotPtr SnapshotCache::For(const AgentScope& agent) const {
  std::optional<RolloutTargets> targets;
  SlicesPtr slices;
  {
    const std::lock_guard lock(mutex_);
    if (trial_.slices != nullptr && trial_.agent == AgentKey(agent.id)) {
      return trial_.slices->For(agent.labels);
    }
    targets = targets_;
    slices = newest_;
  }
  if (targets.has_value()) {
    const bool member = targets->members != nullptr && targets->candidate != nullptr &&
                        targets->members->contains(AgentKey(agent.id));
    slices = NoneFor(member ? targets->candidate : targets->promoted);
  }
  return slices->For(agent.labels);
}

SnapshotPtr SnapshotCache::NewestFor(const AgentScope& agent) const {
  return NewestSlices()->For(agent.labels);
}

SnapshotCache::Withdrawn SnapshotCache::withdrawn() const {
  const std::lock_guard lock(mutex_);
  if (!targets_.has_value()) return {};
  return {.after = targets_->withdrawn_after, .last = targets_->withdrawn_revision};
}

void SnapshotCache::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(listener_mutex_);
  changed_ = std::move(changed);
}

void SnapshotCache::OnPublish(std::function<void()> published) {
  const std::lock_guard lock(listener_mutex_);
  published_ = std::move(published);
}

}  // namespace apk

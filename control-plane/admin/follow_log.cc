// What comes from elsewhere: other control planes' change-sets, and what agents report.
#include "common/log.h"
#include "common/status_macros.h"
#include "common/time_format.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/admin/staged.h"

namespace apk {
namespace {

// The same snapshot with resources that are in memory already.
SlicesPtr ShareWith(const SharedSnapshot& held, const SharedSnapshot& made) {
  auto shared = std::make_shared<SharedSnapshot>(made);
  auto at = held.resources.begin();
  for (SharedResource& resource : shared->resources) {
    while (at != held.resources.end() && (*at)->name() < resource->name()) ++at;
    if (at == held.resources.end()) break;
    const bool same = (*at)->name() == resource->name() && (*at)->hash() == resource->hash();
    if (same) resource = *at;
  }
  return std::make_shared<const SnapshotSlices>(std::move(shared));
}

}  // namespace

// Statuses that can't be written (the disk is full, say), or that another control plane writes,
// stay as they were until the next occasion; agents get their snapshot all the same. REQUIRES:
// writing_ is held, only statuses changed.
void Configuration::PublishStatuses(Staged& staged) {
  const bool here = writes_statuses_.load();
  const absl::Status committed =
      here ? Commit(staged, "control-plane", true) : absl::FailedPreconditionError("");
  if (committed.GetPayload(kLostRace).has_value()) return WakeFleet();  // Again, of the new state.
  statuses_missed_ = here && !committed.ok();
  if (!committed.ok()) {
    if (here) LogError("status not written", {{"reason", std::string(committed.message())}});
    staged.resources = *resources_;
    staged.operations.clear();
    Commit(staged, "control-plane", true).IgnoreError();  // Nothing to write: that goes well.
  }
  Publish(staged);
}

// The snapshot of what others committed, statuses as they have them. REQUIRES: writing_ is held.
void Configuration::TranslateForeign(Staged& staged) {
  Translator::Result translated =
      translator_.Translate(staged.resources, agents_.Report(), staged.revision, Rfc3339Now());
  staged.snapshot = std::move(translated.snapshot);
  if (!translated.status_updates.empty() && writes_statuses_.load()) WakeFleet();
}

absl::Status Configuration::CatchUp() {
  const std::lock_guard writing(writing_);
  RETURN_IF_ERROR(TakeIn());
  if (statuses_missed_ && writes_statuses_.load()) WakeFleet();
  return absl::OkStatus();
}

// REQUIRES: writing_ is held.
absl::Status Configuration::TakeIn() {
  const absl::StatusOr<std::vector<CommittedChangeSet>> newer = log_.After(revision_);
  if (absl::IsOutOfRange(newer.status())) return Reload();
  RETURN_IF_ERROR(newer.status());
  if (newer->empty()) return absl::OkStatus();
  Staged staged = Candidate();
  std::vector<Change> changes;
  for (const CommittedChangeSet& committed : *newer) {
    staged.revision = committed.revision;
    for (const Operation& operation : committed.change_set.operations) {
      const ResourcePtr before = staged.resources.Find(operation.key);
      if (operation.object == nullptr && before == nullptr) continue;
      changes.push_back(ChangeOf(staged.revision, operation.key, before, operation.object));
      if (operation.object == nullptr) {
        staged.resources.Remove(operation.key);
      } else {
        staged.resources.Put(operation.object);
      }
    }
  }
  TranslateForeign(staged);
  Show(staged, std::move(changes));
  return absl::OkStatus();
}

// The log does not reach back to what is in force here: who watches gets the difference at once.
// REQUIRES: writing_ is held.
absl::Status Configuration::Reload() {
  ASSIGN_OR_RETURN(StoredState state, log_.Load());
  Staged staged;
  staged.revision = state.revision;
  staged.resources = std::move(state.resources);
  std::vector<Change> changes;
  ResourceSet::Compare(
      *resources_, staged.resources,
      [&](const ResourceKey& key, const ResourcePtr& before, const ResourcePtr& after) {
        changes.push_back(ChangeOf(staged.revision, key, before, after));
      });
  TranslateForeign(staged);
  Show(staged, std::move(changes));
  return absl::OkStatus();
}

absl::StatusOr<SlicesPtr> Configuration::SnapshotAt(uint64_t revision) {
  ResourceSet resources;
  {
    const std::lock_guard writing(writing_);
    ASSIGN_OR_RETURN(resources, log_.StateAt(revision));
  }
  const SlicesPtr made =
      Translator().Translate(std::move(resources), {}, revision, Rfc3339Now()).snapshot;
  return ShareWith(*snapshots_.Newest(), *made->whole());
}

void Configuration::WriteStatuses(bool here) {
  writes_statuses_.store(here);
  if (here) WakeFleet();
}

void Configuration::WakeFleet() {
  const std::lock_guard fleet_lock(fleet_mutex_);
  fleet_dirty_ = true;
  fleet_changed_.notify_one();
}

void Configuration::FollowFleet() {
  std::unique_lock fleet_lock(fleet_mutex_);
  while (!stopping_) {
    fleet_changed_.wait(fleet_lock, [this] { return stopping_ || fleet_dirty_; });
    if (stopping_) return;
    fleet_dirty_ = false;
    fleet_lock.unlock();
    if (writes_statuses_.load()) {
      const std::lock_guard writing(writing_);
      Staged staged = Candidate();
      Restate(staged);
      PublishStatuses(staged);
    }
    fleet_lock.lock();
  }
}

}  // namespace apk

// What comes from elsewhere: other control planes' change-sets, and what agents report.
#include "common/clock.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/admin/staged.h"

namespace apk {
namespace {

// Who reads is not kept waiting anew each time.
constexpr std::chrono::seconds kSilence{1};
// Agents answer a new snapshot all at once: what they say is collected until they are quiet.
constexpr std::chrono::milliseconds kQuiet{20};
constexpr std::chrono::milliseconds kCollectMax{500};
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
  Translator::Result translated = Translate(staged.resources, agents_.Report(), staged.revision);
  staged.snapshot = std::move(translated.snapshot);
  if (!translated.status_updates.empty() && writes_statuses_.load()) WakeFleet();
}

absl::Status Configuration::CatchUp() {
  const std::lock_guard writing(writing_);
  RETURN_IF_ERROR(TakeIn());
  if (statuses_missed_ && writes_statuses_.load()) WakeFleet();
  return absl::OkStatus();
}

// Whether the outcome of a request that found revision `before`, and changed nothing, is still what
// it would be; ABORTED, with what is newer taken in, where it may be another. REQUIRES: writing_ is
// held.
absl::Status Configuration::Confirm(uint64_t before, const absl::Status& outcome, bool dry_run) {
  const bool committed = revision_ != before;
  if (committed || absl::IsUnavailable(outcome) || outcome.GetPayload(kLostRace).has_value()) {
    return absl::OkStatus();
  }
  const absl::Status taken = TakeIn();
  if (!taken.ok() && dry_run) return absl::OkStatus();
  if (absl::IsUnavailable(taken)) {
    return absl::UnavailableError(
        Concat("the store does not answer, and others may have changed what this is about: try "
               "again later: ",
               std::string(taken.message())));
  }
  RETURN_IF_ERROR(taken);
  return revision_ == before ? absl::OkStatus() : LostRace();
}

Configuration::View Configuration::Newest() {
  const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch(); };
  bool known = now() >= silent_until_.load();
  if (known) {
    known = TakeInNewest().ok();
    if (!known) silent_until_.store(now() + kSilence);
  }
  View view = Current();
  view.maybe_stale = !known;
  return view;
}

absl::Status Configuration::TakeInNewest() {
  ASSIGN_OR_RETURN(const uint64_t newest, log_.NewestRevision());
  if (Current().revision >= newest) return absl::OkStatus();
  const std::lock_guard writing(writing_);
  return revision_ >= newest ? absl::OkStatus() : TakeIn();
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

absl::StatusOr<ResourceSet> Configuration::ResourcesAt(uint64_t revision) {
  const std::lock_guard writing(writing_);
  if (revision == revision_) return *resources_;
  return log_.StateAt(revision);
}

absl::StatusOr<SlicesPtr> Configuration::SnapshotAt(uint64_t revision,
                                                    const std::vector<HeldObject>& held) {
  ASSIGN_OR_RETURN(ResourceSet resources, ResourcesAt(revision));
  HoldBackIn(resources, held);
  const SlicesPtr made =
      Translator().Translate(std::move(resources), {}, revision, Rfc3339Now()).snapshot;
  return ShareWith(*snapshots_.Newest(), *made->Holding(IdsOf(held))->whole());
}

void Configuration::HoldBack(std::vector<HeldObject> held) {
  const std::lock_guard writing(writing_);
  if (IdsOf(held) == IdsOf(held_)) return;
  held_ = std::move(held);
  if (!loaded_) return;
  Staged staged = Candidate();
  Restate(staged);
  PublishStatuses(staged);
}

void Configuration::WriteStatuses(bool here) {
  writes_statuses_.store(here);
  restate_anyway_.store(true);  // Others wrote them before.
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
    const TimePoint until = Now() + kCollectMax;
    while (!stopping_ && fleet_dirty_ && Now() < until) {
      fleet_dirty_ = false;
      fleet_changed_.wait_for(fleet_lock, kQuiet, [this] { return stopping_ || fleet_dirty_; });
    }
    fleet_dirty_ = false;
    if (stopping_) return;
    fleet_lock.unlock();
    RestateFleet();
    fleet_lock.lock();
  }
}

// While a fleet takes a snapshot, agent by agent, most of what it says stands in the statuses
// already.
void Configuration::RestateFleet() {
  if (!writes_statuses_.load()) return;
  const std::lock_guard writing(writing_);
  const bool anyway = restate_anyway_.exchange(false) || statuses_missed_;
  if (!anyway && fleet_told_ == agents_.Report()) return;
  Staged staged = Candidate();
  Restate(staged);
  PublishStatuses(staged);
}

}  // namespace apk

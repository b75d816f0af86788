// Apply and Delete read top to bottom; what is between load and publish is pure.
#include "control-plane/admin/configuration.h"

#include <chrono>
#include <random>
#include <thread>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "common/uuid.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/prune.h"
#include "control-plane/admin/stage.h"
#include "control-plane/admin/staged.h"

namespace apk {
namespace {

constexpr int kObjectsMax = 20'000;
constexpr int kAttempts = 5;
constexpr int kPauseMsMax = 20;  // Before the second attempt; longer before each further one.

void PauseBeforeAttempt(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> jitter(0, kPauseMsMax * attempt);
  std::this_thread::sleep_for(std::chrono::milliseconds(jitter(random)));
}

absl::Status CheckDeletePreconditions(const v1::DeleteRequest& request, const ResourceKey& key,
                                      const v1::ObjectMeta& present) {
  if (!request.uid().empty() && request.uid() != present.uid()) {
    return absl::AbortedError(Concat(NameInErrors(key), " has uid ", present.uid()));
  }
  if (!request.resource_version().empty() &&
      request.resource_version() != present.resource_version()) {
    return absl::AbortedError(
        Concat(NameInErrors(key), " has resourceVersion ", present.resource_version()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status LostRace() {
  absl::Status status = absl::AbortedError(
      Concat("other control planes changed the configuration at the same time, ",
             std::to_string(kAttempts), " times in a row; nothing was changed: try again"));
  status.SetPayload(kLostRace, absl::Cord());
  return status;
}

Configuration::Configuration(Log& log, SnapshotCache& snapshots, AgentRegistry& agents,
                             ChangeFeed& feed)
    : log_(log), snapshots_(snapshots), agents_(agents), feed_(feed) {}

Configuration::~Configuration() {
  agents_.OnChange(nullptr);
  {
    const std::lock_guard lock(fleet_mutex_);
    stopping_ = true;
  }
  fleet_changed_.notify_all();
  fleet_thread_.Join();
}

absl::Status Configuration::Load() {
  const std::lock_guard writing(writing_);
  ASSIGN_OR_RETURN(StoredState state, log_.Load());
  {
    const std::lock_guard lock(mutex_);
    revision_ = state.revision;
    resources_ = std::make_shared<const ResourceSet>(std::move(state.resources));
  }
  loaded_ = true;
  quota_.Count(*resources_);
  feed_.BeginAfter(revision_);
  Staged staged = Candidate();
  Restate(staged);
  PublishStatuses(staged);
  agents_.OnChange([this] { WakeFleet(); });
  fleet_thread_ = Thread("fleet", 0, [this] { FollowFleet(); });
  return absl::OkStatus();
}

// Statuses are of what is stored, the snapshot is without what is held back of that. REQUIRES:
// writing_ is held.
Translator::Result Configuration::Translate(ResourceSet resources, const FleetReport& fleet,
                                            uint64_t revision) {
  const std::string now = Rfc3339Now();
  if (held_.empty()) {
    held_translator_.reset();
    return translator_.Translate(std::move(resources), fleet, revision, now);
  }
  ResourceSet accepted = resources;
  SlicesPtr served;
  if (HoldBackIn(accepted, held_).empty()) {
    held_translator_.reset();
  } else {
    if (!held_translator_.has_value()) held_translator_.emplace();
    served = held_translator_->Translate(std::move(accepted), fleet, revision, now).snapshot;
  }
  Translator::Result result =
      translator_.Translate(std::move(resources), fleet, revision, now, served);
  if (served != nullptr) result.snapshot = std::move(served);
  result.snapshot = result.snapshot->Holding(IdsOf(held_));
  return result;
}

// Translates the candidate and takes the new statuses into it. REQUIRES: writing_ is held.
void Configuration::Restate(Staged& staged) {
  staged.fleet = agents_.Report();
  Translator::Result translated =
      Translate(std::move(staged.resources), *staged.fleet, staged.revision);
  for (ResourcePtr& object : translated.status_updates) {
    const ResourceKey key = KeyOf(*object);
    const bool status_only = !staged.operations.contains(key);
    staged.operations[key] = {.key = key, .object = std::move(object), .status_only = status_only};
  }
  staged.resources = std::move(translated.resources);
  staged.snapshot = std::move(translated.snapshot);
}

// Nothing to write is no revision. REQUIRES: writing_ is held.
absl::Status Configuration::Commit(Staged& staged, const std::string& author, bool status_only) {
  if (staged.operations.empty()) {
    staged.revision = revision_;
    staged.snapshot = staged.snapshot->At(revision_);
    return absl::OkStatus();
  }
  ChangeSet change_set;
  change_set.id = NewUuid();
  change_set.author = author;
  change_set.unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  change_set.status_only = status_only;
  for (const auto& [key, operation] : staged.operations) change_set.operations.push_back(operation);
  const absl::Status appended = log_.Append(revision_, change_set);
  if (!absl::IsAborted(appended)) return appended;
  RETURN_IF_ERROR(TakeIn());
  return LostRace();
}

// REQUIRES: writing_ is held, the candidate is committed.
void Configuration::Publish(const Staged& staged) {
  std::vector<Change> changes;
  for (const auto& [key, operation] : staged.operations) {
    changes.push_back(ChangeOf(staged.revision, key, resources_->Find(key), operation.object));
  }
  Show(staged, std::move(changes));
}

// Makes it what is in force. REQUIRES: writing_ is held.
void Configuration::Show(const Staged& staged, std::vector<Change> changes) {
  if (before_show_) before_show_();
  for (const Change& change : changes) {
    quota_.Note(change.before, change.type == v1::WatchEvent::DELETED ? nullptr : change.object);
  }
  {
    const std::lock_guard lock(mutex_);
    revision_ = staged.revision;
    resources_ = std::make_shared<const ResourceSet>(staged.resources);
  }
  fleet_told_ = staged.fleet;
  snapshots_.Publish(staged.snapshot);
  if (!changes.empty()) feed_.Append(std::move(changes));
}

// One attempt after the other, as long as others are faster.
template <class Response>
absl::StatusOr<Response> Configuration::Repeat(
    const std::function<absl::StatusOr<Response>()>& attempt) {
  for (int number = 1;; ++number) {
    absl::StatusOr<Response> result = attempt();
    const bool lost = result.status().GetPayload(kLostRace).has_value();
    if (!lost || number == kAttempts) return result;
    PauseBeforeAttempt(number);
  }
}

// REQUIRES: writing_ is held.
Configuration::Staged Configuration::Candidate() const {
  Staged staged;
  staged.resources = *resources_;
  staged.revision = revision_ + 1;
  return staged;
}

// A candidate without changes leaves everything as it is. REQUIRES: writing_ is held.
absl::Status Configuration::PutInForce(Staged& staged, const std::string& author) {
  if (staged.operations.empty()) return absl::OkStatus();
  Restate(staged);
  RETURN_IF_ERROR(Commit(staged, author, false));
  Publish(staged);
  return absl::OkStatus();
}

absl::StatusOr<v1::ApplyResponse> Configuration::Apply(const v1::ApplyRequest& request,
                                                       const std::string& author,
                                                       const MayDelete& may_delete) {
  if (request.objects_size() > kObjectsMax) {
    return absl::ResourceExhaustedError(
        Concat("at most ", std::to_string(kObjectsMax), " objects can be applied at once"));
  }
  return Repeat<v1::ApplyResponse>([&] { return TryApply(request, author, may_delete); });
}

// Takes what left the set out of the candidate.
absl::Status Configuration::Prune(const v1::Prune& prune, const LabelSelector& selector,
                                  const MayDelete& may_delete, Staged& staged,
                                  v1::ApplyResponse& response) const {
  std::vector<ResourceKey> applied;
  for (const v1::ObjectResult& result : response.results()) {
    applied.push_back(FromProto(result.key()));
  }
  ASSIGN_OR_RETURN(const std::vector<ResourceKey> pruned,
                   FindPruned(prune, selector, staged.resources, applied));
  for (const ResourceKey& key : pruned) {
    if (may_delete) RETURN_IF_ERROR(may_delete(key));
    Tell(key, v1::ObjectResult::DELETED, response)
        .mutable_object()
        ->PackFrom(*resources_->Find(key));
    staged.Remove(key);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ApplyResponse> Configuration::TryApply(const v1::ApplyRequest& request,
                                                          const std::string& author,
                                                          const MayDelete& may_delete) {
  v1::ApplyResponse response;
  std::vector<MessagePtr> objects;
  if (!Admit(request, objects, response)) return response;

  LabelSelector selector;
  if (request.has_prune()) {
    ASSIGN_OR_RETURN(selector, ParsePrune(request));
    if (!JoinSet(request.prune(), selector, objects, response)) return response;
  }

  return Confirmed<v1::ApplyResponse>(request.dry_run(), [&] {
    return ApplyBeside(request, author, may_delete, selector, std::move(objects),
                       std::move(response));
  });
}

// REQUIRES: writing_ is held.
absl::StatusOr<v1::ApplyResponse> Configuration::ApplyBeside(
    const v1::ApplyRequest& request, const std::string& author, const MayDelete& may_delete,
    const LabelSelector& selector, std::vector<MessagePtr> objects, v1::ApplyResponse response) {
  if (!AdmitBeside(*resources_, objects, request.create_only(), response)) return response;
  Staged staged = Candidate();
  const std::string now = Rfc3339Now();
  for (MessagePtr& object : objects) {
    const ResourceKey key = KeyOf(*object);
    const ResourcePtr current = resources_->Find(key);
    StagedObject change =
        StageObject(std::move(object), current.get(), staged.revision, now, NewUuid());
    v1::ObjectResult& result = Tell(key, change.action, response);
    if (change.action == v1::ObjectResult::UNCHANGED) continue;
    TellChanges(current, *change.object, result);
    staged.Put(key, std::move(change.object));
  }
  if (request.has_prune()) {
    RETURN_IF_ERROR(Prune(request.prune(), selector, may_delete, staged, response));
  }
  RETURN_IF_ERROR(quota_.Check(*resources_, staged.operations));
  if (!staged.operations.empty()) Restate(staged);
  if (!request.dry_run() && !staged.operations.empty()) {
    RETURN_IF_ERROR(Commit(staged, author, false));
    Publish(staged);
  }
  response.set_revision(revision_);
  for (v1::ObjectResult& result : *response.mutable_results()) {
    if (result.action() == v1::ObjectResult::DELETED) continue;
    result.mutable_object()->PackFrom(*staged.resources.Find(FromProto(result.key())));
  }
  return response;
}

absl::StatusOr<v1::DeleteResponse> Configuration::Delete(const v1::DeleteRequest& request,
                                                         const std::string& author) {
  return Repeat<v1::DeleteResponse>([&] { return TryDelete(request, author); });
}

absl::StatusOr<v1::DeleteResponse> Configuration::TryDelete(const v1::DeleteRequest& request,
                                                            const std::string& author) {
  return Confirmed<v1::DeleteResponse>(request.dry_run(),
                                       [&] { return DeletePresent(request, author); });
}

// REQUIRES: writing_ is held.
absl::StatusOr<v1::DeleteResponse> Configuration::DeletePresent(const v1::DeleteRequest& request,
                                                                const std::string& author) {
  v1::DeleteResponse response;
  Staged staged = Candidate();
  for (const v1::ObjectKey& wanted : request.keys()) {
    const ResourceKey key = FromProto(wanted);
    const ResourcePtr current = resources_->Find(key);
    if (current == nullptr) {
      if (request.ignore_not_found()) continue;
      return absl::NotFoundError(Concat(NameInErrors(key), " not found"));
    }
    RETURN_IF_ERROR(CheckDeletePreconditions(request, key, MetadataOf(*current)));
    if (const std::optional<std::string> reason = ReasonToKeep(key); reason.has_value()) {
      return absl::PermissionDeniedError(Concat(NameInErrors(key), " can't be deleted: ", *reason));
    }
    if (key.group.empty() && key.kind == "Namespace") staged.RemoveAllIn(key.name);
    staged.Remove(key);
    Tell(key, v1::ObjectResult::DELETED, response).mutable_object()->PackFrom(*current);
  }
  if (!request.dry_run()) RETURN_IF_ERROR(PutInForce(staged, author));
  response.set_revision(revision_);
  return response;
}

absl::StatusOr<v1::RollbackResponse> Configuration::Rollback(const v1::RollbackRequest& request,
                                                             const std::string& author) {
  return Repeat<v1::RollbackResponse>([&] { return TryRollback(request, author); });
}

absl::StatusOr<v1::RestoreResponse> Configuration::Restore(const Backup& backup,
                                                           const v1::RestoreOptions& options,
                                                           const std::string& author) {
  return Repeat<v1::RestoreResponse>([&] { return TryRestore(backup, options, author); });
}

Configuration::View Configuration::Current() const {
  const std::lock_guard lock(mutex_);
  return {.revision = revision_, .resources = resources_, .maybe_stale = false};
}

}  // namespace apk

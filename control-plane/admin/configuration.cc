// Apply and Delete read top to bottom; what is between load and publish is pure.
#include "control-plane/admin/configuration.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "common/uuid.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/stage.h"
#include "control-plane/resources/own_objects.h"
#include "control-plane/translation/session_persistence.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

constexpr int kObjectsMax = 20'000;
constexpr size_t kRevisionsMax = 1000;

// The gateway's own objects, which follow from its flags at each start: no rollback touches them.
bool IsOwn(const ResourceKey& key) {
  const bool is_issuer = key.kind == "TokenIssuer" && key.namespace_name == "default" &&
                         key.name == kDevelopmentIssuerName;
  return is_issuer || key.namespace_name == kSessionSecretNamespace;
}

// What was taken once may be refused by now.
absl::Status CheckPast(const ResourceKey& key, const google::protobuf::Message& object) {
  for (const FieldIssue& issue : Validate(object)) {
    if (issue.severity != FieldIssue::Severity::kError) continue;
    return absl::FailedPreconditionError(Concat(
        NameInErrors(key), " of then is not valid now: ", issue.field_path, ": ", issue.message));
  }
  return absl::OkStatus();
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

// A candidate: the next state, not yet in force.
struct Configuration::Staged {
  ResourceSet resources;
  uint64_t revision = 0;
  std::map<ResourceKey, Operation> operations;
  std::map<ResourceKey, ResourcePtr> removed;
  SnapshotPtr snapshot;

  void Put(const ResourceKey& key, ResourcePtr object) {
    operations[key] = Operation{.key = key, .object = object};
    resources.Put(std::move(object));
  }
  void Remove(const ResourceKey& key, const ResourcePtr& current) {
    removed[key] = current;
    operations[key] = Operation{.key = key, .object = nullptr};
    resources.Remove(key);
  }
  // What is in a namespace goes with it.
  void RemoveAllIn(const std::string& namespace_name) {
    for (const ResourcePtr& object : resources.InNamespace(namespace_name)) {
      Remove(KeyOf(*object), object);
    }
  }
};

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
  ASSIGN_OR_RETURN(StoredState state, log_.Load());
  const std::lock_guard lock(mutex_);
  revision_ = state.revision;
  feed_.BeginAfter(revision_);
  resources_ = std::make_shared<const ResourceSet>(std::move(state.resources));
  Staged staged = Candidate();
  Restate(staged);
  PublishStatuses(staged);
  agents_.OnChange([this] {
    const std::lock_guard fleet_lock(fleet_mutex_);
    fleet_dirty_ = true;
    fleet_changed_.notify_one();
  });
  fleet_thread_ = Thread("fleet", 0, [this] { FollowFleet(); });
  return absl::OkStatus();
}

// Translates the candidate and takes the new statuses into it. REQUIRES: mutex_ is held.
void Configuration::Restate(Staged& staged) {
  Translator::Result translated = translator_.Translate(
      std::move(staged.resources), agents_.Report(), staged.revision, Rfc3339Now());
  for (ResourcePtr& object : translated.status_updates) {
    const ResourceKey key = KeyOf(*object);
    const bool status_only = !staged.operations.contains(key);
    staged.operations[key] = {.key = key, .object = std::move(object), .status_only = status_only};
  }
  staged.resources = std::move(translated.resources);
  staged.snapshot = std::move(translated.snapshot);
}

// Nothing to write is no revision. REQUIRES: mutex_ is held.
absl::Status Configuration::Commit(Staged& staged, const std::string& author, bool status_only) {
  if (staged.operations.empty()) {
    staged.revision = revision_;
    auto snapshot = std::make_shared<SharedSnapshot>(*staged.snapshot);
    snapshot->revision = revision_;
    staged.snapshot = std::move(snapshot);
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
  return log_.Append(revision_, change_set);
}

// Statuses that can't be written (the disk is full, say) stay as they were until the next occasion;
// agents get their snapshot all the same. REQUIRES: mutex_ is held, only statuses changed.
void Configuration::PublishStatuses(Staged& staged) {
  const absl::Status committed = Commit(staged, "control-plane", true);
  if (!committed.ok()) {
    LogError("status not written", {{"reason", std::string(committed.message())}});
    staged.resources = *resources_;
    staged.operations.clear();
    Commit(staged, "control-plane", true).IgnoreError();  // Nothing to write: that goes well.
  }
  Publish(staged);
}

// REQUIRES: mutex_ is held, the candidate is committed.
void Configuration::Publish(const Staged& staged) {
  std::vector<Change> changes;
  for (const auto& [key, operation] : staged.operations) {
    Change& change = changes.emplace_back();
    change.revision = staged.revision;
    change.key = key;
    change.object = operation.object;
    change.before = resources_->Find(key);
    change.type = change.before == nullptr ? v1::WatchEvent::ADDED : v1::WatchEvent::MODIFIED;
    if (operation.object == nullptr) {
      change.type = v1::WatchEvent::DELETED;
      change.object = staged.removed.at(key);
    }
  }
  revision_ = staged.revision;
  resources_ = std::make_shared<const ResourceSet>(staged.resources);
  snapshots_.Publish(staged.snapshot);
  if (!changes.empty()) feed_.Append(std::move(changes));
}

// REQUIRES: mutex_ is held.
Configuration::Staged Configuration::Candidate() const {
  Staged staged;
  staged.resources = *resources_;
  staged.revision = revision_ + 1;
  return staged;
}

// A candidate without changes leaves everything as it is. REQUIRES: mutex_ is held.
absl::Status Configuration::PutInForce(Staged& staged, const std::string& author) {
  if (staged.operations.empty()) return absl::OkStatus();
  Restate(staged);
  RETURN_IF_ERROR(Commit(staged, author, false));
  Publish(staged);
  return absl::OkStatus();
}

absl::StatusOr<v1::ApplyResponse> Configuration::Apply(const v1::ApplyRequest& request,
                                                       const std::string& author) {
  if (request.objects_size() > kObjectsMax) {
    return absl::ResourceExhaustedError(
        Concat("at most ", std::to_string(kObjectsMax), " objects can be applied at once"));
  }
  v1::ApplyResponse response;
  std::vector<MessagePtr> objects;
  if (!Admit(request, objects, response)) return response;

  const std::lock_guard lock(mutex_);
  if (!AdmitBeside(*resources_, objects, request.create_only(), response)) return response;
  Staged staged = Candidate();
  const std::string now = Rfc3339Now();
  for (MessagePtr& object : objects) {
    const ResourceKey key = KeyOf(*object);
    const ResourcePtr current = resources_->Find(key);
    StagedObject change =
        StageObject(std::move(object), current.get(), staged.revision, now, NewUuid());
    v1::ObjectResult* const result = response.add_results();
    *result->mutable_key() = ToProto(key);
    result->set_action(change.action);
    if (change.action == v1::ObjectResult::UNCHANGED) continue;
    staged.Put(key, std::move(change.object));
  }
  if (!staged.operations.empty()) Restate(staged);
  if (!request.dry_run() && !staged.operations.empty()) {
    RETURN_IF_ERROR(Commit(staged, author, false));
    Publish(staged);
  }
  response.set_revision(revision_);
  for (v1::ObjectResult& result : *response.mutable_results()) {
    result.mutable_object()->PackFrom(*staged.resources.Find(FromProto(result.key())));
  }
  return response;
}

absl::StatusOr<v1::DeleteResponse> Configuration::Delete(const v1::DeleteRequest& request,
                                                         const std::string& author) {
  v1::DeleteResponse response;
  const std::lock_guard lock(mutex_);
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
    staged.Remove(key, current);
    v1::ObjectResult* const result = response.add_results();
    *result->mutable_key() = wanted;
    result->set_action(v1::ObjectResult::DELETED);
    result->mutable_object()->PackFrom(*current);
  }
  if (!request.dry_run()) RETURN_IF_ERROR(PutInForce(staged, author));
  response.set_revision(revision_);
  return response;
}

absl::StatusOr<v1::ListRevisionsResponse> Configuration::ListRevisions(
    const v1::ListRevisionsRequest& request) {
  const size_t limit =
      request.limit() == 0 ? kRevisionsMax : std::min<size_t>(request.limit(), kRevisionsMax);
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const std::vector<ChangeRecord> history,
                   log_.History(limit, request.statuses()));
  v1::ListRevisionsResponse response;
  for (const ChangeRecord& record : history) {
    v1::RevisionRecord* const revision = response.add_revisions();
    revision->set_revision(record.revision);
    revision->set_author(record.author);
    revision->set_committed(Rfc3339(record.unix_ms / 1000));
    revision->set_status_only(record.status_only);
    for (const ChangeRecord::Change& change : record.changes) {
      if (change.status_only && !record.status_only) continue;
      v1::RevisionChange* const told = revision->add_changes();
      *told->mutable_key() = ToProto(change.key);
      told->set_deleted(change.deleted);
    }
  }
  return response;
}

absl::StatusOr<v1::RollbackResponse> Configuration::Rollback(const v1::RollbackRequest& request,
                                                             const std::string& author) {
  const std::lock_guard lock(mutex_);
  if (request.revision() == 0 || request.revision() > revision_) {
    return absl::NotFoundError(Concat("there is no revision ", std::to_string(request.revision()),
                                      ": the newest is ", std::to_string(revision_)));
  }
  ASSIGN_OR_RETURN(const ResourceSet past, log_.StateAt(request.revision()));
  v1::RollbackResponse response;
  const auto tell = [&response](const ResourceKey& key, v1::ObjectResult::Action action) {
    v1::ObjectResult* const result = response.add_results();
    *result->mutable_key() = ToProto(key);
    result->set_action(action);
  };
  Staged staged = Candidate();
  const std::string now = Rfc3339Now();
  for (const auto& [key, object] : past.resources()) {
    if (IsOwn(key)) continue;
    RETURN_IF_ERROR(CheckPast(key, *object));
    MessagePtr wanted(object->New());
    wanted->CopyFrom(*object);
    StagedObject change = StageObject(std::move(wanted), resources_->Find(key).get(),
                                      staged.revision, now, NewUuid());
    if (change.action == v1::ObjectResult::UNCHANGED) continue;
    tell(key, change.action);
    staged.Put(key, std::move(change.object));
  }
  for (const auto& [key, object] : resources_->resources()) {
    if (IsOwn(key) || ReasonToKeep(key).has_value() || past.Find(key) != nullptr) continue;
    tell(key, v1::ObjectResult::DELETED);
    staged.Remove(key, object);
  }
  if (!request.dry_run()) RETURN_IF_ERROR(PutInForce(staged, author));
  response.set_revision(revision_);
  return response;
}

Configuration::View Configuration::Current() const {
  const std::lock_guard lock(mutex_);
  return {.revision = revision_, .resources = resources_};
}

void Configuration::FollowFleet() {
  std::unique_lock fleet_lock(fleet_mutex_);
  while (!stopping_) {
    fleet_changed_.wait(fleet_lock, [this] { return stopping_ || fleet_dirty_; });
    if (stopping_) return;
    fleet_dirty_ = false;
    fleet_lock.unlock();
    {
      const std::lock_guard lock(mutex_);
      Staged staged = Candidate();
      Restate(staged);
      PublishStatuses(staged);
    }
    fleet_lock.lock();
  }
}

}  // namespace apk

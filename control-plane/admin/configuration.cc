// Apply and Delete read top to bottom; what is between load and publish is pure.
#include "control-plane/admin/configuration.h"

#include <chrono>
#include <map>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/admin/stage.h"
#include "control-plane/resources/kind_registry.h"
#include "control-plane/translation/translate.h"
#include "control-plane/validation/validate.h"

namespace apk {
namespace {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

constexpr int kObjectsMax = 20'000;

v1::ObjectKey ToProto(const ResourceKey& key) {
  v1::ObjectKey proto;
  proto.set_group(key.group);
  proto.set_kind(key.kind);
  proto.set_namespace_(key.namespace_name);
  proto.set_name(key.name);
  return proto;
}

v1::Violation* AddViolation(v1::ApplyResponse& response, int index,
                            v1::Violation::Severity severity, std::string_view path,
                            std::string_view message, std::string_view hint) {
  v1::Violation* const violation = response.add_violations();
  violation->set_severity(severity);
  violation->set_object_index(static_cast<uint32_t>(index));
  violation->set_field_path(std::string(path));
  violation->set_message(std::string(message));
  violation->set_hint(std::string(hint));
  return violation;
}

// nullptr and a violation where it is no object of ours.
MessagePtr Unpack(const google::protobuf::Any& any, int index, v1::ApplyResponse& response) {
  const std::string& url = any.type_url();
  const std::string name = url.substr(url.rfind('/') + 1);
  for (const Kind& kind : AllKinds()) {
    if (kind.descriptor->full_name() != name) continue;
    MessagePtr object = kind.New();
    if (object->ParseFromString(any.value())) return object;
  }
  AddViolation(response, index, v1::Violation::ERROR, "",
               Concat("no object of a known kind: ", url),
               "use apkctl of the same version as the control plane");
  return nullptr;
}

// Decoded, validated and normalised objects; false where there is an error among the violations.
bool Admit(const v1::ApplyRequest& request, std::vector<MessagePtr>& objects,
           v1::ApplyResponse& response) {
  bool good = true;
  std::map<ResourceKey, int> seen;
  for (int i = 0; i < request.objects_size(); ++i) {
    MessagePtr object = Unpack(request.objects(i), i, response);
    if (object == nullptr) {
      good = false;
      continue;
    }
    const Kind& kind = *FindKind(object->GetDescriptor());
    v1::ObjectMeta* const metadata = MutableMetadataOf(*object);
    if (!kind.cluster_scoped && metadata->namespace_().empty()) metadata->set_namespace_("default");
    const ResourceKey key = KeyOf(*object);
    bool valid = true;
    for (const FieldIssue& issue : Validate(*object)) {
      const bool error = issue.severity == FieldIssue::Severity::kError;
      *AddViolation(response, i, error ? v1::Violation::ERROR : v1::Violation::WARNING,
                    issue.field_path, issue.message, issue.hint)
           ->mutable_key() = ToProto(key);
      valid = valid && !error;
    }
    const auto [first, is_new] = seen.emplace(key, i);
    if (!is_new) {
      *AddViolation(response, i, v1::Violation::ERROR, "metadata.name",
                    Concat(key.ToString(), " is in the batch twice, first as object ",
                           std::to_string(first->second + 1)),
                    "keep one of them")
           ->mutable_key() = ToProto(key);
      valid = false;
    }
    good = good && valid;
    if (valid) Normalize(*object);
    objects.push_back(std::move(object));
  }
  return good;
}

}  // namespace

// A candidate: the next state, not yet in force.
struct Configuration::Staged {
  ResourceSet resources;
  uint64_t revision = 0;
  std::map<ResourceKey, Operation> operations;
  std::map<ResourceKey, ResourcePtr> removed;
  std::shared_ptr<const v1::Snapshot> snapshot;
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
  resources_ = std::make_shared<const ResourceSet>(std::move(state.resources));
  Staged staged;
  staged.resources = *resources_;
  staged.revision = revision_ + 1;
  Restate(staged);
  RETURN_IF_ERROR(Commit(staged, "control-plane", true));
  Publish(staged);
  agents_.OnChange([this] {
    const std::lock_guard fleet_lock(fleet_mutex_);
    fleet_dirty_ = true;
    fleet_changed_.notify_one();
  });
  fleet_thread_ = Thread("fleet", 0, [this] { FollowFleet(); });
  return absl::OkStatus();
}

// Translates the candidate and takes the new statuses into it.
void Configuration::Restate(Staged& staged) {
  Translation translation =
      Translate(staged.resources, agents_.Report(), staged.revision, Rfc3339Now());
  for (const ResourcePtr& update : translation.status_updates) {
    ResourcePtr object = WithRevision(*update, staged.revision);
    Operation& operation = staged.operations[KeyOf(*object)];
    operation.key = KeyOf(*object);
    operation.object = object;
    staged.resources.Put(std::move(object));
  }
  staged.snapshot = std::make_shared<const v1::Snapshot>(std::move(translation.snapshot));
}

// Nothing to write is no revision. REQUIRES: mutex_ is held.
absl::Status Configuration::Commit(Staged& staged, const std::string& author, bool status_only) {
  if (staged.operations.empty()) {
    staged.revision = revision_;
    auto snapshot = std::make_shared<v1::Snapshot>(*staged.snapshot);
    snapshot->set_revision(revision_);
    staged.snapshot = std::move(snapshot);
    return absl::OkStatus();
  }
  ChangeSet change_set;
  change_set.id = NewUid();
  change_set.author = author;
  change_set.unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  change_set.status_only = status_only;
  for (const auto& [key, operation] : staged.operations) change_set.operations.push_back(operation);
  return log_.Append(revision_, change_set);
}

// REQUIRES: mutex_ is held, the candidate is committed.
void Configuration::Publish(const Staged& staged) {
  std::vector<Change> changes;
  for (const auto& [key, operation] : staged.operations) {
    Change& change = changes.emplace_back();
    change.revision = staged.revision;
    change.key = key;
    change.object = operation.object;
    change.type =
        resources_->Find(key) == nullptr ? v1::WatchEvent::ADDED : v1::WatchEvent::MODIFIED;
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
  Staged staged;
  staged.resources = *resources_;
  staged.revision = revision_ + 1;
  const std::string now = Rfc3339Now();
  for (MessagePtr& object : objects) {
    const ResourceKey key = KeyOf(*object);
    const ResourcePtr current = resources_->Find(key);
    StagedObject change =
        StageObject(std::move(object), current.get(), staged.revision, now, NewUid());
    v1::ObjectResult* const result = response.add_results();
    *result->mutable_key() = ToProto(key);
    result->set_action(change.action);
    if (change.action == v1::ObjectResult::UNCHANGED) continue;
    staged.operations[key] = Operation{.key = key, .object = change.object};
    staged.resources.Put(std::move(change.object));
  }
  if (!staged.operations.empty()) Restate(staged);
  if (!request.dry_run() && !staged.operations.empty()) {
    RETURN_IF_ERROR(Commit(staged, author, false));
    Publish(staged);
  }
  response.set_revision(revision_);
  for (v1::ObjectResult& result : *response.mutable_results()) {
    const v1::ObjectKey& key = result.key();
    const ResourcePtr object = staged.resources.Find({.group = key.group(),
                                                      .kind = key.kind(),
                                                      .namespace_name = key.namespace_(),
                                                      .name = key.name()});
    result.mutable_object()->PackFrom(*object);
  }
  return response;
}

absl::StatusOr<v1::DeleteResponse> Configuration::Delete(const v1::DeleteRequest& request,
                                                         const std::string& author) {
  v1::DeleteResponse response;
  const std::lock_guard lock(mutex_);
  Staged staged;
  staged.resources = *resources_;
  staged.revision = revision_ + 1;
  for (const v1::ObjectKey& wanted : request.keys()) {
    const ResourceKey key{.group = wanted.group(),
                          .kind = wanted.kind(),
                          .namespace_name = wanted.namespace_(),
                          .name = wanted.name()};
    const ResourcePtr current = staged.resources.Find(key);
    if (current == nullptr) {
      if (request.ignore_not_found()) continue;
      return absl::NotFoundError(Concat(key.ToString(), " not found"));
    }
    staged.removed[key] = current;
    staged.operations[key] = Operation{.key = key, .object = nullptr};
    staged.resources.Remove(key);
    v1::ObjectResult* const result = response.add_results();
    *result->mutable_key() = wanted;
    result->set_action(v1::ObjectResult::DELETED);
    result->mutable_object()->PackFrom(*current);
  }
  if (!staged.operations.empty() && !request.dry_run()) {
    Restate(staged);
    RETURN_IF_ERROR(Commit(staged, author, false));
    Publish(staged);
  }
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
      Staged staged;
      staged.resources = *resources_;
      staged.revision = revision_ + 1;
      Restate(staged);
      const absl::Status committed = Commit(staged, "control-plane", true);
      if (committed.ok()) {
        Publish(staged);
      } else {
        LogError("status not written", {{"reason", std::string(committed.message())}});
      }
    }
    fleet_lock.lock();
  }
}

}  // namespace apk

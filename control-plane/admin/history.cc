// What the log remembers: revisions, and the way back to one.
#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "common/uuid.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/admin/stage.h"
#include "control-plane/admin/staged.h"
#include "control-plane/resources/own_objects.h"

namespace apk {
namespace {

constexpr size_t kRevisionsMax = 1000;

}  // namespace

absl::StatusOr<v1::ListRevisionsResponse> Configuration::ListRevisions(
    const v1::ListRevisionsRequest& request) {
  const size_t limit =
      request.limit() == 0 ? kRevisionsMax : std::min<size_t>(request.limit(), kRevisionsMax);
  const std::lock_guard writing(writing_);
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

absl::StatusOr<v1::RollbackResponse> Configuration::TryRollback(const v1::RollbackRequest& request,
                                                                const std::string& author) {
  return Confirmed<v1::RollbackResponse>(request.dry_run(),
                                         [&] { return RollBackPresent(request, author); });
}

// REQUIRES: writing_ is held.
absl::StatusOr<v1::RollbackResponse> Configuration::RollBackPresent(
    const v1::RollbackRequest& request, const std::string& author) {
  if (request.revision() == 0 || request.revision() > revision_) {
    return absl::NotFoundError(Concat("there is no revision ", std::to_string(request.revision()),
                                      ": the newest is ", std::to_string(revision_)));
  }
  ASSIGN_OR_RETURN(const ResourceSet past, log_.StateAt(request.revision()));
  v1::RollbackResponse response;
  Staged staged = Candidate();
  const std::string now = Rfc3339Now();
  for (const auto& [key, object] : past.resources()) {
    if (IsOwnObject(key)) continue;
    RETURN_IF_ERROR(CheckStillValid(key, *object));
    MessagePtr wanted(object->New());
    wanted->CopyFrom(*object);
    const ResourcePtr current = resources_->Find(key);
    StagedObject change =
        StageObject(std::move(wanted), current.get(), staged.revision, now, NewUuid());
    if (change.action == v1::ObjectResult::UNCHANGED) continue;
    TellChanges(current, *change.object, Tell(key, change.action, response));
    staged.Put(key, std::move(change.object));
  }
  for (const auto& [key, object] : resources_->resources()) {
    if (IsOwnObject(key) || ReasonToKeep(key).has_value() || past.Find(key) != nullptr) continue;
    Tell(key, v1::ObjectResult::DELETED, response);
    staged.Remove(key);
  }
  RETURN_IF_ERROR(quota_.Check(*resources_, staged.operations));
  if (!request.dry_run()) RETURN_IF_ERROR(PutInForce(staged, author));
  response.set_revision(revision_);
  return response;
}

}  // namespace apk

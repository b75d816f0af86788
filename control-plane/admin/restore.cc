// A backup becomes the newest revision: the log goes on, so that agents and whoever watches take it
// as any other change, with whichever engine.
#include <google/protobuf/util/message_differencer.h>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/admin/staged.h"
#include "control-plane/resources/own_objects.h"
#include "control-plane/translation/session_persistence.h"

namespace apk {
namespace {

using google::protobuf::Message;

constexpr size_t kOwnRevisionsMax = 1000;
constexpr char kControlPlane[] = "control-plane";

// What follows from flags stays as it is here, but for the key of sessions: clients hold what it
// signed.
bool IsRestored(const ResourceKey& key) {
  const bool sessions =
      key.kind == "Secret" && key.namespace_name == kOwnNamespace && key.name == kSessionSecretName;
  return sessions || !IsOwnObject(key);
}

// Apart from the status, which is made anew, and from which revision it is of.
bool IsSame(const Message& a, const Message& b) {
  google::protobuf::util::MessageDifferencer differencer;
  if (const auto* const status = a.GetDescriptor()->FindFieldByName("status")) {
    differencer.IgnoreField(status);
  }
  differencer.IgnoreField(v1::ObjectMeta::descriptor()->FindFieldByName("resource_version"));
  return differencer.Compare(a, b);
}

ResourcePtr OfRevision(const Message& object, uint64_t revision) {
  MessagePtr copy(object.New());
  copy->CopyFrom(object);
  MutableMetadataOf(*copy)->set_resource_version(std::to_string(revision));
  return copy;
}

}  // namespace

// Nobody but the control plane itself has changed anything. REQUIRES: writing_ is held.
absl::Status Configuration::CheckNew() {
  ASSIGN_OR_RETURN(const std::vector<ChangeRecord> history, log_.History(kOwnRevisionsMax, false));
  for (const ChangeRecord& record : history) {
    if (record.author == kControlPlane && history.size() < kOwnRevisionsMax) continue;
    return absl::FailedPreconditionError(
        Concat("this control plane is not new: revision ", std::to_string(record.revision),
               " was made by ", record.author,
               "; restore into a new one, or have everything here replaced (--force, after a look "
               "with --dry-run)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::RestoreResponse> Configuration::TryRestore(const Backup& backup,
                                                              const v1::RestoreOptions& options,
                                                              const std::string& author) {
  return Confirmed<v1::RestoreResponse>(options.dry_run(),
                                        [&] { return RestorePresent(backup, options, author); });
}

// REQUIRES: writing_ is held.
absl::StatusOr<v1::RestoreResponse> Configuration::RestorePresent(const Backup& backup,
                                                                  const v1::RestoreOptions& options,
                                                                  const std::string& author) {
  if (!options.force()) RETURN_IF_ERROR(CheckNew());
  v1::RestoreResponse response;
  Staged staged = Candidate();
  for (const auto& [key, object] : backup.resources.resources()) {
    if (!IsRestored(key)) continue;
    RETURN_IF_ERROR(CheckStillValid(key, *object));
    const ResourcePtr present = resources_->Find(key);
    if (present != nullptr && IsSame(*object, *present)) continue;
    const auto action =
        present == nullptr ? v1::ObjectResult::CREATED : v1::ObjectResult::CONFIGURED;
    TellChanges(present, *object, Tell(key, action, response));
    staged.Put(key, OfRevision(*object, staged.revision));
  }
  for (const auto& [key, object] : resources_->resources()) {
    if (!IsRestored(key) || ReasonToKeep(key).has_value()) continue;
    if (backup.resources.Find(key) != nullptr) continue;
    Tell(key, v1::ObjectResult::DELETED, response);
    staged.Remove(key);
  }
  if (!options.dry_run()) RETURN_IF_ERROR(PutInForce(staged, author));
  response.set_revision(revision_);
  return response;
}

}  // namespace apk

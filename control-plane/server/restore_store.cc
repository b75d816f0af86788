// One change-set, as it would be appended by a control plane.
#include "control-plane/server/restore_store.h"

#include <ctime>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/uuid.h"
#include "control-plane/identity/identity_ledger.h"
#include "control-plane/resources/resource_set.h"
#include "control-plane/rollout/rollout_book.h"

namespace apk {
namespace {

constexpr uint64_t kFirstRevision = 1;

ChangeSet ChangeSetOf(const Backup& backup) {
  ChangeSet change_set;
  change_set.id = NewUuid();
  change_set.author = Concat("restore of ", backup.created);
  change_set.unix_ms = static_cast<int64_t>(std::time(nullptr)) * 1000;
  for (const auto& [key, object] : backup.resources.resources()) {
    std::shared_ptr<google::protobuf::Message> copy(object->New());
    copy->CopyFrom(*object);
    MutableMetadataOf(*copy)->set_resource_version(std::to_string(kFirstRevision));
    change_set.operations.push_back({.key = key, .object = std::move(copy)});
  }
  return change_set;
}

}  // namespace

absl::Status RestoreStore(const StoreFlags& flags, const std::string& data_dir,
                          const Backup& backup) {
  ASSIGN_OR_RETURN(Store store, Store::OpenNew(flags, data_dir));
  // With etcd it is kept there, and must be there before the log is.
  RETURN_IF_ERROR(store.Authority().status());
  // Before the objects: what is broken off in between can be begun anew.
  RETURN_IF_ERROR(ImportIdentities(store.records(), backup.identities));
  RETURN_IF_ERROR(ImportRollouts(store.records(), backup.rollouts));
  return store.log().Append(kFirstRevision - 1, ChangeSetOf(backup));
}

}  // namespace apk

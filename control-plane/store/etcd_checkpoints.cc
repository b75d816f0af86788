// A checkpoint is there once its list is; before, it is blobs that nobody refers to.
#include "control-plane/store/etcd_checkpoints.h"

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/resources/object_bytes.h"
#include "control-plane/store/etcd_blobs.h"

namespace apk {
namespace {

// Of the 128 that a transaction may have.
constexpr size_t kBatch = 100;
constexpr int64_t kRecordsRead = 50;

absl::Status LostLead() { return absl::AbortedError("another control plane leads now"); }

absl::StatusOr<v1::StoredCheckpoint> ParseCheckpoint(const EtcdKeyValue& pair) {
  v1::StoredCheckpoint checkpoint;
  if (checkpoint.ParseFromString(pair.value)) return checkpoint;
  return absl::DataLossError(Concat("etcd: ", pair.key, " can't be read"));
}

EtcdWrite Delete(std::string key, std::string end = "") {
  return {.what = EtcdWrite::What::kDelete,
          .key = std::move(key),
          .value = "",
          .range_end = std::move(end)};
}

}  // namespace

v1::StoredOperation ToStored(const Operation& operation) {
  v1::StoredOperation stored;
  stored.set_group(operation.key.group);
  stored.set_kind(operation.key.kind);
  stored.set_namespace_(operation.key.namespace_name);
  stored.set_name(operation.key.name);
  stored.set_deleted(operation.object == nullptr);
  stored.set_status_only(operation.status_only);
  if (operation.object != nullptr) stored.set_object(DeterministicBytes(*operation.object));
  return stored;
}

absl::StatusOr<Operation> FromStored(const v1::StoredOperation& stored) {
  Operation operation;
  operation.key = {.group = stored.group(),
                   .kind = stored.kind(),
                   .namespace_name = stored.namespace_(),
                   .name = stored.name()};
  operation.status_only = stored.status_only();
  if (stored.deleted()) return operation;
  ASSIGN_OR_RETURN(operation.object, ParseObject(stored.group(), stored.kind(), stored.object()));
  return operation;
}

absl::StatusOr<StoredState> EtcdCheckpoints::Newest(uint64_t revision) {
  EtcdRange range = EtcdRange::Under(keys_.Checkpoints());
  range.end = keys_.Checkpoint(revision + 1);
  ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> found, client_.Read(range));
  StoredState state;
  if (found.empty()) return state;
  ASSIGN_OR_RETURN(const v1::StoredCheckpoint checkpoint, ParseCheckpoint(found.back()));
  ASSIGN_OR_RETURN(const std::vector<v1::StoredOperation> objects,
                   ReadBlobs(client_, keys_, checkpoint.blobs()));
  state.revision = checkpoint.revision();
  for (const v1::StoredOperation& stored : objects) {
    ASSIGN_OR_RETURN(Operation operation, FromStored(stored));
    state.resources.Put(std::move(operation.object));
  }
  return state;
}

absl::Status EtcdCheckpoints::FindNewest() {
  if (newest_.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> found,
                   client_.Read(EtcdRange::Under(keys_.Checkpoints())));
  Checkpoint newest;
  if (!found.empty()) {
    ASSIGN_OR_RETURN(const v1::StoredCheckpoint checkpoint, ParseCheckpoint(found.back()));
    newest = {checkpoint.revision(), static_cast<size_t>(checkpoint.blobs_size())};
  }
  newest_ = newest;
  return absl::OkStatus();
}

// Whether large change-sets take too much room. REQUIRES: newest_ is known.
absl::StatusOr<bool> EtcdCheckpoints::IsCrowded(uint64_t revision) {
  if (revision == counted_at_) return false;
  EtcdRange range = EtcdRange::Under(keys_.Blobs());
  range.keys_only = true;
  ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> blobs, client_.Read(range));
  counted_at_ = revision;
  // The present checkpoint's, and those of one that is as large and all different.
  return blobs.size() > retention_.blobs_kept + 2 * newest_->blobs;
}

absl::Status EtcdCheckpoints::Maintain(const StoredState& state, int64_t fence, uint64_t needed) {
  RETURN_IF_ERROR(FindNewest());
  ASSIGN_OR_RETURN(const bool crowded, IsCrowded(state.revision));
  if (crowded || state.revision >= newest_->revision + retention_.checkpoint_every) {
    newest_.reset();  // Another leader may have written some; look again where this fails.
    RETURN_IF_ERROR(Write(state, fence));
    const uint64_t kept = crowded ? 0 : retention_.revisions_kept;
    if (state.revision > kept) {
      RETURN_IF_ERROR(Trim(std::min(state.revision - kept, needed), fence));
    }
    RETURN_IF_ERROR(RemoveUnusedBlobs(fence));
    RETURN_IF_ERROR(FindNewest());
  }
  return CompactWhereDue();
}

absl::Status EtcdCheckpoints::Write(const StoredState& state, int64_t fence) {
  std::vector<v1::StoredOperation> objects;
  for (const auto& [key, object] : state.resources.resources()) {
    objects.push_back(ToStored({.key = key, .object = object}));
  }
  ASSIGN_OR_RETURN(const std::vector<EtcdBlob> blobs, CutByName(std::move(objects)));
  EtcdRange range = EtcdRange::Under(keys_.Blobs());
  range.keys_only = true;
  ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> there, client_.Read(range));
  std::set<std::string> names;
  for (const EtcdKeyValue& pair : there) names.insert(pair.key);
  std::set<std::string> present;
  v1::StoredCheckpoint checkpoint;
  checkpoint.set_revision(state.revision);
  for (const EtcdBlob& blob : blobs) {
    checkpoint.add_blobs(blob.hash);
    if (names.contains(keys_.Blob(blob.hash))) present.insert(blob.hash);
  }
  RETURN_IF_ERROR(WriteBlobs(client_, keys_, blobs, present));
  EtcdTransaction transaction;
  transaction.compares = {Fence(fence)};
  transaction.writes = {{.what = EtcdWrite::What::kPut,
                         .key = keys_.Checkpoint(state.revision),
                         .value = checkpoint.SerializeAsString(),
                         .range_end = ""}};
  ASSIGN_OR_RETURN(const EtcdOutcome outcome, client_.Commit(transaction));
  return outcome.succeeded ? absl::OkStatus() : LostLead();
}

// Records up to the newest checkpoint that is not newer than `before`, and older checkpoints.
absl::Status EtcdCheckpoints::Trim(uint64_t before, int64_t fence) {
  EtcdRange range = EtcdRange::Under(keys_.Checkpoints());
  range.end = keys_.Checkpoint(before + 1);
  ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> old, client_.Read(range));
  if (old.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const v1::StoredCheckpoint kept, ParseCheckpoint(old.back()));
  for (;;) {
    EtcdTransaction look;
    look.reads = {{.key = keys_.Log(0), .end = keys_.Log(kept.revision() + 1)}};
    look.reads.front().limit = kRecordsRead;
    ASSIGN_OR_RETURN(const EtcdOutcome page, client_.Commit(look));
    if (page.ranges.at(0).empty()) break;
    EtcdTransaction removal;
    removal.compares = {Fence(fence)};
    for (const EtcdKeyValue& pair : page.ranges[0]) {
      v1::StoredChangeSet record;
      if (!record.ParseFromString(pair.value)) {
        return absl::DataLossError(Concat("etcd: ", pair.key, " can't be read"));
      }
      removal.writes.push_back(Delete(pair.key));
      removal.writes.push_back(Delete(keys_.Id(record.id())));
    }
    ASSIGN_OR_RETURN(const EtcdOutcome removed, client_.Commit(removal));
    if (!removed.succeeded) return LostLead();
  }
  EtcdTransaction removal;
  removal.compares = {Fence(fence)};
  removal.writes = {Delete(keys_.Checkpoints(), keys_.Checkpoint(kept.revision())),
                    Delete(keys_.BlobsOf(), keys_.BlobsOf(kept.revision() + 1))};
  ASSIGN_OR_RETURN(const EtcdOutcome removed, client_.Commit(removal));
  return removed.succeeded ? absl::OkStatus() : LostLead();
}

absl::StatusOr<std::set<std::string>> EtcdCheckpoints::UsedBlobs(EtcdOutcome& seen) {
  EtcdTransaction look;
  look.reads = {{.key = keys_.Head(), .end = ""},
                EtcdRange::Under(keys_.Checkpoints()),
                EtcdRange::Under(keys_.BlobsOf())};
  ASSIGN_OR_RETURN(seen, client_.Commit(look));
  std::set<std::string> used;
  for (const EtcdKeyValue& pair : seen.ranges.at(1)) {
    ASSIGN_OR_RETURN(const v1::StoredCheckpoint checkpoint, ParseCheckpoint(pair));
    for (const std::string& hash : checkpoint.blobs()) used.insert(keys_.Blob(hash));
  }
  for (const EtcdKeyValue& pair : seen.ranges.at(2)) {
    v1::StoredBlobs blobs;
    if (!blobs.ParseFromString(pair.value)) {
      return absl::DataLossError(Concat("etcd: ", pair.key, " can't be read"));
    }
    for (const std::string& hash : blobs.blobs()) used.insert(keys_.Blob(hash));
  }
  return used;
}

// Left by appends that lost, and by what was trimmed. An append whose blobs go meanwhile writes
// them again: it compares their being there. Another one may begin to use what nobody used, hence
// the compare of the head.
absl::Status EtcdCheckpoints::RemoveUnusedBlobs(int64_t fence) {
  EtcdRange range = EtcdRange::Under(keys_.Blobs());
  range.keys_only = true;
  ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> blobs, client_.Read(range));
  EtcdOutcome seen;
  ASSIGN_OR_RETURN(const std::set<std::string> used, UsedBlobs(seen));
  const std::vector<EtcdKeyValue>& head = seen.ranges.at(0);
  EtcdTransaction removal;
  removal.compares = {Fence(fence),
                      {.what = EtcdCompare::What::kModRevision,
                       .key = keys_.Head(),
                       .revision = head.empty() ? 0 : head.front().mod_revision}};
  for (size_t i = 0; i < blobs.size(); ++i) {
    if (!used.contains(blobs[i].key)) removal.writes.push_back(Delete(blobs[i].key));
    const bool due = removal.writes.size() == kBatch || i + 1 == blobs.size();
    if (!due || removal.writes.empty()) continue;
    ASSIGN_OR_RETURN(const EtcdOutcome removed, client_.Commit(removal));
    if (!removed.succeeded) return absl::OkStatus();  // The rest after the next checkpoint.
    removal.writes.clear();
  }
  return absl::OkStatus();
}

absl::Status EtcdCheckpoints::CompactWhereDue() {
  const auto now = std::chrono::steady_clock::now();
  if (seen_.has_value() && now - seen_->at < retention_.etcd_history) return absl::OkStatus();
  EtcdTransaction look;
  look.reads = {{.key = keys_.Head(), .end = ""}};
  ASSIGN_OR_RETURN(const EtcdOutcome present, client_.Commit(look));
  const int64_t then = seen_.has_value() ? seen_->revision : 0;
  seen_ = Seen{.at = now, .revision = present.revision};
  return then > 0 ? client_.Compact(then) : absl::OkStatus();
}

}  // namespace apk

// Records are numbered without a gap, so that pages of them are ranges of keys.
#include "control-plane/store/etcd_log.h"

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/store/etcd_blobs.h"

namespace apk {
namespace {

constexpr uint32_t kFormat = 1;
// A change-set of up to that many bytes stands in its record.
constexpr size_t kRecordBytesMax = 64 << 10;
// The others' blobs are compared one by one.
constexpr size_t kBlobsMax = 100;
constexpr int64_t kRecordsRead = 100;
constexpr int kAttempts = 3;

EtcdWrite Put(std::string key, std::string value) {
  return {.what = EtcdWrite::What::kPut,
          .key = std::move(key),
          .value = std::move(value),
          .range_end = ""};
}

void Apply(const ChangeSet& change_set, ResourceSet& resources) {
  for (const Operation& operation : change_set.operations) {
    if (operation.object == nullptr) {
      resources.Remove(operation.key);
    } else {
      resources.Put(operation.object);
    }
  }
}

}  // namespace

// An append that is ready to be written.
struct EtcdLog::Draft {
  v1::StoredChangeSet record;
  std::vector<EtcdBlob> blobs;
};

EtcdLog::Known EtcdLog::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

void EtcdLog::Know(const Known& known) {
  const std::lock_guard lock(mutex_);
  known_ = known;
}

uint64_t EtcdLog::Head() const { return known().revision; }

void EtcdLog::SetFence(int64_t fence) {
  const std::lock_guard lock(mutex_);
  fence_ = fence;
}

int64_t EtcdLog::fence() const {
  const std::lock_guard lock(mutex_);
  return fence_;
}

absl::StatusOr<std::unique_ptr<EtcdLog>> EtcdLog::Open(Etcd& client, const std::string& prefix,
                                                       EtcdRetention retention) {
  auto log = std::unique_ptr<EtcdLog>(new EtcdLog(client, prefix, retention));
  ASSIGN_OR_RETURN(log->known_, log->ReadHead());
  log->cluster_id_ = client.cluster_id();
  return log;
}

absl::StatusOr<EtcdLog::Known> EtcdLog::ReadHead() {
  EtcdTransaction look;
  look.reads = {{.key = keys_.Head(), .end = ""}};
  ASSIGN_OR_RETURN(const EtcdOutcome outcome, client_.Commit(look));
  Known known;
  if (outcome.ranges.at(0).empty()) return known;
  const EtcdKeyValue& pair = outcome.ranges[0].front();
  v1::StoredHead head;
  if (!head.ParseFromString(pair.value)) {
    return absl::DataLossError(
        Concat("etcd: ", pair.key, " can't be read: is the prefix somebody else's?"));
  }
  if (head.format() > kFormat) {
    return absl::FailedPreconditionError(
        Concat("etcd: ", pair.key, " was written by a newer version of this program"));
  }
  known.revision = head.revision();
  known.mod_revision = pair.mod_revision;
  return known;
}

// A log that was restored from a back-up is another log, even where it is longer by now.
absl::Status EtcdLog::CheckHistory(const Known& before, const Known& head) const {
  const bool same = client_.cluster_id() == cluster_id_ && head.revision >= before.revision &&
                    (head.revision > before.revision || head.mod_revision == before.mod_revision);
  if (same) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat("etcd holds another history than that of revision ", std::to_string(before.revision),
             ", which is in force here: was it restored from a back-up? Restart this control "
             "plane to take it over"));
}

absl::StatusOr<std::vector<EtcdKeyValue>> EtcdLog::Records(uint64_t first, uint64_t last) {
  EtcdRange range;
  range.key = keys_.Log(first);
  range.end = keys_.Log(last + 1);
  return client_.Read(range);
}

absl::StatusOr<CommittedChangeSet> EtcdLog::ParseRecord(const EtcdKeyValue& pair) {
  v1::StoredChangeSet record;
  if (!record.ParseFromString(pair.value)) {
    return absl::DataLossError(Concat("etcd: ", pair.key, " can't be read"));
  }
  CommittedChangeSet committed;
  committed.revision = record.revision();
  committed.change_set.id = record.id();
  committed.change_set.author = record.author();
  committed.change_set.unix_ms = record.unix_ms();
  committed.change_set.status_only = record.status_only();
  std::vector<v1::StoredOperation> operations(record.operations().begin(),
                                              record.operations().end());
  if (!record.blobs().empty()) {
    ASSIGN_OR_RETURN(operations, ReadBlobs(client_, keys_, record.blobs()));
  }
  for (const v1::StoredOperation& stored : operations) {
    ASSIGN_OR_RETURN(Operation operation, FromStored(stored));
    committed.change_set.operations.push_back(std::move(operation));
  }
  return committed;
}

absl::StatusOr<StoredState> EtcdLog::Load() {
  absl::StatusOr<StoredState> state;
  // What is being trimmed may be gone between two reads.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    state = TryLoad();
    if (!absl::IsNotFound(state.status()) && !absl::IsOutOfRange(state.status())) break;
  }
  return state;
}

absl::StatusOr<StoredState> EtcdLog::TryLoad() {
  ASSIGN_OR_RETURN(const Known head, ReadHead());
  ASSIGN_OR_RETURN(StoredState state, checkpoints_.Newest(head.revision));
  Know({});  // After compares with what is in force, which is nothing yet.
  ASSIGN_OR_RETURN(const std::vector<CommittedChangeSet> newer, After(state.revision));
  for (const CommittedChangeSet& committed : newer) {
    Apply(committed.change_set, state.resources);
    state.revision = committed.revision;
  }
  return state;
}

absl::StatusOr<std::vector<CommittedChangeSet>> EtcdLog::After(uint64_t revision) {
  std::vector<CommittedChangeSet> change_sets;
  uint64_t last = revision;
  for (;;) {
    const Known before = known();
    ASSIGN_OR_RETURN(const Known head, ReadHead());
    RETURN_IF_ERROR(CheckHistory(before, head));
    if (head.revision <= last) {
      Know(head);
      return change_sets;
    }
    const uint64_t end = std::min(head.revision, last + kRecordsRead);
    ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> pairs, Records(last + 1, end));
    for (const EtcdKeyValue& pair : pairs) {
      absl::StatusOr<CommittedChangeSet> committed = ParseRecord(pair);
      if (absl::IsNotFound(committed.status())) break;  // Trimmed since it was read.
      RETURN_IF_ERROR(committed.status());
      if (committed->revision != last + 1) break;
      last = committed->revision;
      change_sets.push_back(*std::move(committed));
    }
    if (last != end) {
      return absl::OutOfRangeError(
          Concat("etcd: revision ", std::to_string(last + 1), " has been trimmed from the log"));
    }
    if (last == head.revision) {
      Know(head);
      return change_sets;
    }
  }
}

absl::StatusOr<uint64_t> EtcdLog::NewestRevision() {
  const Known before = known();  // Read first: an append may be under way.
  ASSIGN_OR_RETURN(const Known head, ReadHead());
  RETURN_IF_ERROR(CheckHistory(before, head));
  return head.revision;
}

absl::StatusOr<EtcdLog::Draft> EtcdLog::MakeDraft(uint64_t revision,
                                                  const ChangeSet& change_set) const {
  Draft draft;
  v1::StoredChangeSet& record = draft.record;
  record.set_revision(revision);
  record.set_id(change_set.id);
  record.set_author(change_set.author);
  record.set_unix_ms(change_set.unix_ms);
  record.set_status_only(change_set.status_only);
  std::vector<v1::StoredOperation> operations;
  size_t bytes = 0;
  for (const Operation& operation : change_set.operations) {
    operations.push_back(ToStored(operation));
    bytes += operations.back().ByteSizeLong();
  }
  if (bytes <= kRecordBytesMax) {
    for (v1::StoredOperation& operation : operations) {
      *record.add_operations() = std::move(operation);
    }
    return draft;
  }
  ASSIGN_OR_RETURN(draft.blobs, CutBySize(std::move(operations)));
  if (draft.blobs.size() > kBlobsMax) {
    return absl::ResourceExhaustedError(
        Concat("a change of ", std::to_string(bytes >> 20),
               " MiB is too large for a store in etcd: apply it in several parts"));
  }
  for (const EtcdBlob& blob : draft.blobs) record.add_blobs(blob.hash);
  return draft;
}

EtcdTransaction EtcdLog::TransactionFor(const Draft& draft, const Known& head) const {
  const v1::StoredChangeSet& record = draft.record;
  EtcdTransaction transaction;
  transaction.compares = {
      {.what = EtcdCompare::What::kModRevision, .key = keys_.Head(), .revision = head.mod_revision},
      {.what = EtcdCompare::What::kCreateRevision, .key = keys_.Id(record.id()), .revision = 0}};
  if (const int64_t lead = fence(); record.status_only() && lead != 0) {
    transaction.compares.push_back(
        {.what = EtcdCompare::What::kCreateRevision, .key = keys_.Leader(), .revision = lead});
  }
  v1::StoredHead next;
  next.set_format(kFormat);
  next.set_revision(record.revision());
  transaction.writes = {Put(keys_.Log(record.revision()), record.SerializeAsString()),
                        Put(keys_.Id(record.id()), std::to_string(record.revision())),
                        Put(keys_.Head(), next.SerializeAsString())};
  if (!draft.blobs.empty()) {
    v1::StoredBlobs blobs;
    *blobs.mutable_blobs() = record.blobs();
    transaction.writes.push_back(Put(keys_.BlobsOf(record.revision()), blobs.SerializeAsString()));
  }
  for (const EtcdBlob& blob : draft.blobs) {
    transaction.compares.push_back(
        {.what = EtcdCompare::What::kExists, .key = keys_.Blob(blob.hash)});
  }
  transaction.reads_instead = {{.key = keys_.Id(record.id()), .end = ""},
                               {.key = keys_.Head(), .end = ""},
                               {.key = keys_.Leader(), .end = ""}};
  return transaction;
}

absl::Status EtcdLog::Append(uint64_t expected_head, const ChangeSet& change_set) {
  const Known head = known();
  const absl::Status moved = absl::AbortedError(
      Concat("the store is not at revision ", std::to_string(expected_head), " any more"));
  if (head.revision != expected_head) return moved;
  ASSIGN_OR_RETURN(const Draft draft, MakeDraft(expected_head + 1, change_set));
  const EtcdTransaction transaction = TransactionFor(draft, head);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RETURN_IF_ERROR(WriteBlobs(client_, keys_, draft.blobs));
    // The client repeats it where a member does not answer: the compares let it through once.
    const absl::StatusOr<EtcdOutcome> outcome = client_.Commit(transaction);
    if (absl::IsUnavailable(outcome.status())) {
      return absl::UnavailableError(
          Concat("the store can't be written, so that nothing was acknowledged; agents are served "
                 "on, try again later: ",
                 std::string(outcome.status().message())));
    }
    RETURN_IF_ERROR(outcome.status());
    if (outcome->succeeded) {
      Know({.revision = expected_head + 1, .mod_revision = outcome->revision});
      return absl::OkStatus();
    }
    const std::vector<EtcdKeyValue>& id = outcome->ranges.at(0);
    if (!id.empty() && id.front().value == std::to_string(expected_head + 1)) {
      // An attempt whose answer was lost went through.
      Know({.revision = expected_head + 1, .mod_revision = id.front().mod_revision});
      return absl::OkStatus();
    }
    if (!id.empty()) {
      return absl::AlreadyExistsError(
          Concat("change-set ", change_set.id, " is revision ", id.front().value, " already"));
    }
    const std::vector<EtcdKeyValue>& now = outcome->ranges.at(1);
    if ((now.empty() ? 0 : now.front().mod_revision) != head.mod_revision) return moved;
    const std::vector<EtcdKeyValue>& leader = outcome->ranges.at(2);
    const int64_t lead = leader.empty() ? 0 : leader.front().create_revision;
    if (change_set.status_only && fence() != 0 && lead != fence()) {
      return absl::FailedPreconditionError("another control plane writes statuses now");
    }
    // A blob was removed before it was used.
  }
  return moved;
}

absl::StatusOr<std::vector<ChangeRecord>> EtcdLog::History(size_t limit, bool statuses) {
  ASSIGN_OR_RETURN(const Known head, ReadHead());
  std::vector<ChangeRecord> history;
  uint64_t last = head.revision;
  while (last > 0 && history.size() < limit) {
    const uint64_t first = last > kRecordsRead ? last - kRecordsRead + 1 : 1;
    ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> pairs, Records(first, last));
    if (pairs.empty()) break;
    for (auto pair = pairs.rbegin(); pair != pairs.rend() && history.size() < limit; ++pair) {
      const absl::StatusOr<CommittedChangeSet> committed = ParseRecord(*pair);
      if (absl::IsNotFound(committed.status())) return history;  // Trimmed since it was read.
      RETURN_IF_ERROR(committed.status());
      const ChangeSet& change_set = committed->change_set;
      if (change_set.status_only && !statuses) continue;
      ChangeRecord& record = history.emplace_back();
      record.revision = committed->revision;
      record.author = change_set.author;
      record.unix_ms = change_set.unix_ms;
      record.status_only = change_set.status_only;
      for (const Operation& operation : change_set.operations) {
        record.changes.push_back({.key = operation.key,
                                  .deleted = operation.object == nullptr,
                                  .status_only = operation.status_only});
      }
    }
    last = first - 1;
  }
  return history;
}

absl::StatusOr<ResourceSet> EtcdLog::StateAt(uint64_t revision) {
  ASSIGN_OR_RETURN(StoredState state, checkpoints_.Newest(revision));
  while (state.revision < revision) {
    const uint64_t last = std::min(revision, state.revision + kRecordsRead);
    ASSIGN_OR_RETURN(const std::vector<EtcdKeyValue> pairs, Records(state.revision + 1, last));
    for (const EtcdKeyValue& pair : pairs) {
      ASSIGN_OR_RETURN(const CommittedChangeSet committed, ParseRecord(pair));
      if (committed.revision != state.revision + 1) break;
      Apply(committed.change_set, state.resources);
      state.revision = committed.revision;
    }
    if (state.revision != last) {
      return absl::NotFoundError(Concat("revision ", std::to_string(revision),
                                        " is too old: the log in etcd has been trimmed"));
    }
  }
  return state.resources;
}

}  // namespace apk

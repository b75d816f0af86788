// One transaction each.
#include "control-plane/store/etcd_records.h"

#include <algorithm>

#include "common/status_macros.h"
#include "common/strings.h"
#include "common/uuid.h"

namespace apk {
namespace {

// Hexadecimal: 256 keys in all, however many writers there are.
constexpr size_t kSlotDigits = 2;

}  // namespace

Record EtcdRecords::ToRecord(const EtcdKeyValue& pair) const {
  return {.key = pair.key.substr(keys_.Records().size()),
          .value = pair.value,
          .version = pair.mod_revision};
}

absl::StatusOr<AllRecords> EtcdRecords::ReadAll() {
  EtcdTransaction look;
  look.reads = {EtcdRange::Under(keys_.Records())};
  ASSIGN_OR_RETURN(const EtcdOutcome outcome, client_.Commit(look));
  AllRecords all;
  all.version = outcome.revision;
  for (const EtcdKeyValue& pair : outcome.ranges.at(0)) all.records.push_back(ToRecord(pair));
  return all;
}

absl::StatusOr<std::vector<Record>> EtcdRecords::Read(const std::vector<std::string>& keys) {
  EtcdTransaction look;
  for (const std::string& key : keys) look.reads.push_back({.key = keys_.Record(key), .end = ""});
  ASSIGN_OR_RETURN(const EtcdOutcome outcome, client_.Commit(look));
  std::vector<Record> records;
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::vector<EtcdKeyValue>& found = outcome.ranges.at(i);
    records.push_back(
        found.empty()
            ? Record{.key = keys[i], .value = "", .version = outcome.revision, .gone = true}
            : ToRecord(found.front()));
  }
  return records;
}

absl::Status EtcdRecords::Write(const std::vector<RecordWrite>& writes) {
  EtcdTransaction transaction;
  const bool fenced = std::any_of(writes.begin(), writes.end(),
                                  [](const RecordWrite& write) { return write.leader_only; });
  if (const int64_t fence = fence_(); fenced && fence != 0) {
    transaction.compares.push_back({.what = EtcdCompare::What::kCreateRevision,
                                    .key = keys_.Leader(),
                                    .revision = fence});
  }
  for (const RecordWrite& write : writes) {
    const std::string key = keys_.Record(write.key);
    transaction.compares.push_back(
        {.what = EtcdCompare::What::kModRevision, .key = key, .revision = write.expected_version});
    transaction.writes.push_back(
        {.what = write.remove ? EtcdWrite::What::kDelete : EtcdWrite::What::kPut,
         .key = key,
         .value = write.value,
         .range_end = ""});
  }
  // The client repeats it where an answer is lost, and the repeat finds what the first one wrote.
  // Values don't tell whose that is: two writers may count the same token down by one. This does,
  // unless yet another transaction took the slot in between: then it is ABORTED as if not written.
  const std::string token = NewUuid();
  const std::string slot = keys_.Written(token.substr(0, kSlotDigits));
  transaction.writes.push_back(
      {.what = EtcdWrite::What::kPut, .key = slot, .value = token, .range_end = ""});
  transaction.reads_instead = {{.key = slot, .end = ""}};
  ASSIGN_OR_RETURN(const EtcdOutcome outcome, client_.Commit(transaction));
  if (outcome.succeeded) return absl::OkStatus();
  const std::vector<EtcdKeyValue>& last = outcome.ranges.at(0);
  if (!last.empty() && last.front().value == token) return absl::OkStatus();
  return absl::AbortedError(Concat("a record was changed meanwhile: ", writes.front().key,
                                   writes.size() > 1 ? " or another" : ""));
}

}  // namespace apk

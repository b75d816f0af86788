// Four records, which are read together and written together.
#include "control-plane/rollout/rollout_book.h"

#include <algorithm>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/rollout/rollout.h"
#include "control-plane/rollout/rollout_report.h"

namespace apk {
namespace {

constexpr int kAttempts = 10;
constexpr int kHistoryMax = 50;
constexpr char kPrefix[] = "rollout/";
const std::array<std::string, 4> kKeys = {"rollout/policy", "rollout/state", "rollout/history",
                                          "rollout/held"};

google::protobuf::Message& PartOf(RolloutPage& page, size_t index) {
  if (index == 0) return page.policy;
  if (index == 1) return page.state;
  if (index == 2) return page.history;
  return page.held;
}

}  // namespace

bool RolloutBook::IsKey(const std::string& key) { return key.starts_with(kPrefix); }

void RolloutBook::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(listener_mutex_);
  changed_ = std::move(changed);
}

void RolloutBook::Changed() {
  const std::lock_guard lock(listener_mutex_);
  if (changed_) changed_();
}

RolloutBook::PagePtr RolloutBook::Now() const {
  const std::lock_guard lock(mutex_);
  return page_;
}

// False where that, or something newer, is known.
bool RolloutBook::Keep(const Record& record) {
  const auto key = std::find(kKeys.begin(), kKeys.end(), record.key);
  if (key == kKeys.end()) return false;
  const auto index = static_cast<size_t>(key - kKeys.begin());
  const std::lock_guard lock(mutex_);
  if (record.version <= seen_[index]) return false;
  seen_[index] = record.version;
  auto page = std::make_shared<RolloutPage>(*page_);
  page->versions[index] = record.gone ? 0 : record.version;
  google::protobuf::Message& part = PartOf(*page, index);
  if (record.gone) {
    part.Clear();
  } else if (const std::unique_ptr<google::protobuf::Message> read(part.New());
             read->ParseFromString(record.value)) {
    part.CopyFrom(*read);
  } else {
    LogError("a record of the store can't be read", {{"record", record.key}});
    return false;
  }
  page_ = std::move(page);
  return true;
}

absl::Status RolloutBook::Load() {
  ASSIGN_OR_RETURN(const std::vector<Record> records, records_.Read({kKeys.begin(), kKeys.end()}));
  bool changed = false;
  for (const Record& record : records) changed = Keep(record) || changed;
  if (changed) Changed();
  return absl::OkStatus();
}

void RolloutBook::Take(const Record& record) {
  if (Keep(record)) Changed();
}

absl::Status RolloutBook::Write(const RolloutPage& page, const RolloutChange& change,
                                bool leader_only) {
  std::vector<RecordWrite> writes;
  const auto write = [&](size_t index, const google::protobuf::Message& part) {
    writes.push_back({.key = kKeys[index],
                      .value = part.SerializeAsString(),
                      .expected_version = page.versions[index],
                      .leader_only = leader_only});
  };
  if (change.policy.has_value()) write(0, *change.policy);
  if (change.state.has_value()) {
    write(1, *change.state);
    if (IsUnderWay(page.state) && !IsUnderWay(*change.state)) {
      v1::StoredRolloutHistory history;
      *history.add_rollouts() = ToProto(*change.state);
      for (const v1::Rollout& rollout : page.history.rollouts()) {
        if (history.rollouts_size() < kHistoryMax) *history.add_rollouts() = rollout;
      }
      write(2, history);
    }
  }
  if (change.held.has_value()) write(3, *change.held);
  if (writes.empty()) return absl::OkStatus();
  const absl::Status written = records_.Write(writes);
  if (!written.ok() && !absl::IsAborted(written)) return written;
  RETURN_IF_ERROR(Load());
  return written;
}

absl::Status RolloutBook::WriteAsLeader(const RolloutPage& page, const RolloutChange& change) {
  return Write(page, change, true);
}

absl::Status RolloutBook::Change(
    const std::function<absl::StatusOr<RolloutChange>(const RolloutPage&)>& decide) {
  absl::Status written;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    RETURN_IF_ERROR(Load());
    const PagePtr page = Now();
    ASSIGN_OR_RETURN(const RolloutChange change, decide(*page));
    written = Write(*page, change, false);
    if (!absl::IsAborted(written)) return written;
  }
  return written;
}

std::vector<std::pair<std::string, std::string>> RolloutBook::Export() const {
  const PagePtr page = Now();
  std::vector<std::pair<std::string, std::string>> exported;
  if (page->has_policy()) exported.emplace_back(kKeys[0], page->policy.SerializeAsString());
  v1::StoredHeld held;
  held.set_last_id(page->held.last_id());
  for (const v1::StoredHeldObject& object : page->held.objects()) {
    if (!object.lifted()) *held.add_objects() = object;
  }
  if (!held.objects().empty()) exported.emplace_back(kKeys[3], held.SerializeAsString());
  return exported;
}

RolloutPage PageOf(const std::vector<std::pair<std::string, std::string>>& exported) {
  RolloutPage page;
  for (const auto& [key, value] : exported) {
    if (key == kKeys[0]) page.policy.ParseFromString(value);
    if (key == kKeys[3]) page.held.ParseFromString(value);
  }
  return page;
}

absl::Status ImportRollouts(Records& records,
                            const std::vector<std::pair<std::string, std::string>>& exported) {
  const RolloutPage page = PageOf(exported);
  std::vector<RecordWrite> writes;
  if (page.has_policy()) {
    writes.push_back({.key = kKeys[0], .value = page.policy.SerializeAsString()});
  }
  if (!page.held.objects().empty()) {
    writes.push_back({.key = kKeys[3], .value = page.held.SerializeAsString()});
  }
  return writes.empty() ? absl::OkStatus() : records.Write(writes);
}

}  // namespace apk

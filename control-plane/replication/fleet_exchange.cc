// Small transactions: one agent's word is a few hundred bytes.
#include "control-plane/replication/fleet_exchange.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kBatch = 100;

}  // namespace

absl::Status FleetExchange::Publish(int64_t lease) {
  std::map<std::string, std::string> now;
  for (const v1::AgentStatus& status : registry_.Own()) {
    now[status.id()] = status.SerializeAsString();
  }
  EtcdTransaction transaction;
  std::vector<std::string> told;
  const auto write = [&]() -> absl::Status {
    if (transaction.writes.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(client_.Commit(transaction).status());
    for (const std::string& id : told) {
      const auto found = now.find(id);
      if (found == now.end()) {
        published_.erase(id);
      } else {
        published_[id] = found->second;
      }
    }
    transaction.writes.clear();
    told.clear();
    return absl::OkStatus();
  };
  for (const auto& [id, bytes] : now) {
    const auto before = published_.find(id);
    if (before != published_.end() && before->second == bytes) continue;
    transaction.writes.push_back({.what = EtcdWrite::What::kPut,
                                  .key = keys_.Agent(replica_, id),
                                  .value = bytes,
                                  .lease = lease,
                                  .range_end = ""});
    told.push_back(id);
    if (told.size() == kBatch) RETURN_IF_ERROR(write());
  }
  std::vector<std::string> gone;
  for (const auto& [id, bytes] : published_) {
    if (!now.contains(id)) gone.push_back(id);
  }
  for (const std::string& id : gone) {
    transaction.writes.push_back({.what = EtcdWrite::What::kDelete,
                                  .key = keys_.Agent(replica_, id),
                                  .value = "",
                                  .range_end = ""});
    told.push_back(id);
    if (told.size() == kBatch) RETURN_IF_ERROR(write());
  }
  return write();
}

absl::Status FleetExchange::Read() {
  EtcdTransaction look;
  look.reads = {EtcdRange::Under(keys_.Fleet())};
  ASSIGN_OR_RETURN(const EtcdOutcome outcome, client_.Commit(look));
  const std::lock_guard lock(mutex_);
  // What an event told after the read stays.
  std::erase_if(elsewhere_,
                [&](const auto& entry) { return entry.second.revision <= outcome.revision; });
  for (const EtcdKeyValue& pair : outcome.ranges.at(0)) Keep(pair, false);
  read_at_ = outcome.revision;
  return absl::OkStatus();
}

void FleetExchange::Take(const EtcdEvent& event) {
  const std::lock_guard lock(mutex_);
  if (event.pair.mod_revision > read_at_) Keep(event.pair, event.deleted);
}

// REQUIRES: mutex_ is held.
void FleetExchange::Keep(const EtcdKeyValue& pair, bool gone) {
  if (!pair.key.starts_with(keys_.Fleet())) return;
  if (pair.key.starts_with(keys_.Agent(replica_, ""))) return;
  Said& said = elsewhere_[pair.key];
  if (said.revision >= pair.mod_revision) return;
  said.revision = pair.mod_revision;
  said.gone = gone || !said.status.ParseFromString(pair.value);
}

void FleetExchange::Deliver() {
  std::vector<v1::AgentStatus> statuses;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, said] : elsewhere_) {
      if (!said.gone) statuses.push_back(said.status);
    }
  }
  registry_.SetElsewhere(std::move(statuses));
}

}  // namespace apk

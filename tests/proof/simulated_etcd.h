// etcd as the log uses it, in memory, and ways to it that lose, repeat and delay: what was not
// answered may have been carried out, or be carried out later.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/store/etcd_client.h"

namespace apk::proof {

class SimulatedEtcd {
 public:
  // Called for each key that is written, before it is.
  std::function<void(const std::string& key, const std::string& value)> on_put;

  // Something in each transaction that is left undone, to see that it is missed.
  std::function<void(EtcdTransaction&)> weaken;

  EtcdOutcome Carry(EtcdTransaction transaction) {
    if (weaken) weaken(transaction);
    EtcdOutcome outcome;
    outcome.succeeded = std::all_of(transaction.compares.begin(), transaction.compares.end(),
                                    [this](const EtcdCompare& compare) { return Holds(compare); });
    if (outcome.succeeded && !transaction.writes.empty()) {
      ++revision_;
      for (const EtcdWrite& write : transaction.writes) Write(write);
    }
    const auto& reads = outcome.succeeded ? transaction.reads : transaction.reads_instead;
    for (const EtcdRange& range : reads) outcome.ranges.push_back(Range(range));
    outcome.revision = revision_;
    return outcome;
  }

  std::vector<EtcdKeyValue> Range(const EtcdRange& range) const {
    std::vector<EtcdKeyValue> found;
    const auto end =
        range.end.empty() ? pairs_.upper_bound(range.key) : pairs_.lower_bound(range.end);
    for (auto at = pairs_.lower_bound(range.key); at != end; ++at) {
      if (range.limit > 0 && std::cmp_equal(found.size(), range.limit)) break;
      found.push_back(at->second);
      if (range.keys_only) found.back().value.clear();
    }
    return found;
  }

  // On their way.
  std::vector<EtcdTransaction> delayed;

 private:
  bool Holds(const EtcdCompare& compare) const {
    const auto found = pairs_.find(compare.key);
    if (compare.what == EtcdCompare::What::kExists) return found != pairs_.end();
    if (found == pairs_.end()) return compare.revision == 0;
    return compare.revision == (compare.what == EtcdCompare::What::kModRevision
                                    ? found->second.mod_revision
                                    : found->second.create_revision);
  }

  void Write(const EtcdWrite& write) {
    if (write.what == EtcdWrite::What::kDelete) {
      const auto end = write.range_end.empty() ? pairs_.upper_bound(write.key)
                                               : pairs_.lower_bound(write.range_end);
      pairs_.erase(pairs_.lower_bound(write.key), end);
      return;
    }
    if (on_put) on_put(write.key, write.value);
    EtcdKeyValue& pair = pairs_[write.key];
    pair.key = write.key;
    pair.value = write.value;
    pair.mod_revision = revision_;
    if (pair.create_revision == 0) pair.create_revision = revision_;
  }

  std::map<std::string, EtcdKeyValue> pairs_;
  int64_t revision_ = 1;
};

// One control plane's way to it.
class UnreliableEtcd final : public Etcd {
 public:
  // `meanwhile` is called before and after what is asked for is carried out: others do something
  // then.
  UnreliableEtcd(SimulatedEtcd& etcd, std::mt19937& random, std::function<void()> meanwhile)
      : etcd_(etcd), random_(random), meanwhile_(std::move(meanwhile)) {}

  // From now on nothing is lost.
  void Heal() { reliable_ = true; }

  absl::StatusOr<EtcdOutcome> Commit(const EtcdTransaction& transaction) override {
    if (reliable_) return etcd_.Carry(transaction);
    meanwhile_();
    const auto fate = static_cast<int>(random_() % 100);
    if (fate < 4) return Silent();
    if (fate < 8) {
      etcd_.delayed.push_back(transaction);
      return Silent();
    }
    EtcdOutcome outcome = etcd_.Carry(transaction);
    meanwhile_();
    if (fate < 12) return Silent();
    // The answer was lost, and the client asked another member.
    if (fate < 18) outcome = etcd_.Carry(transaction);
    return outcome;
  }

  absl::StatusOr<std::vector<EtcdKeyValue>> Read(const EtcdRange& range) override {
    if (!reliable_) {
      meanwhile_();
      if (random_() % 50 == 0) return Silent();
    }
    return etcd_.Range(range);
  }

  absl::Status Compact(int64_t) override { return absl::OkStatus(); }
  uint64_t cluster_id() const override { return 1; }

 private:
  static absl::Status Silent() { return absl::UnavailableError("no answer"); }

  SimulatedEtcd& etcd_;
  std::mt19937& random_;
  const std::function<void()> meanwhile_;
  bool reliable_ = false;
};

}  // namespace apk::proof

// The log in etcd as several control planes write it at once, in one thread: answers are lost,
// repeated and late, others do something between any two steps, more than one believes that it
// leads. One seed is always the same course. APK_PROOF_SEED and APK_PROOF_SEEDS: the first, and how
// many.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "apk/v1/store.pb.h"
#include "common/strings.h"
#include "control-plane/store/etcd_log.h"
#include "tests/proof/simulated_etcd.h"
#include "tests/unit/control-plane/store/change_sets.h"

namespace apk::proof {
namespace {

constexpr char kPrefix[] = "/apk";
constexpr int kReplicas = 3;
constexpr int kObjects = 5;
constexpr int kSteps = 60;
constexpr size_t kLargeBytes = 70'000;  // Goes ahead as a blob.
constexpr EtcdRetention kRetention{.checkpoint_every = 6,
                                   .revisions_kept = 4,
                                   .blobs_kept = 6,
                                   .etcd_history = std::chrono::hours(1)};

using Values = std::map<std::string, std::string>;  // By name.

Values ValuesIn(const ResourceSet& resources) {
  Values values;
  for (const auto& [key, object] : resources.resources()) {
    values[key.name] = ValueIn(resources, key.name);
  }
  return values;
}

class StoreSimulation {
 public:
  using Weaken = std::function<void(EtcdTransaction&)>;

  explicit StoreSimulation(uint32_t seed, Weaken weaken = nullptr) : random_(seed) {
    truth_.push_back({});
    etcd_.weaken = std::move(weaken);
    etcd_.on_put = [this](const std::string& key, const std::string& value) { See(key, value); };
    for (Replica& replica : replicas_) Start(replica);
  }

  // "" where all went as it should.
  std::string Run() {
    for (int step = 0; step < kSteps && fault_.empty(); ++step) Step(AnyReplica());
    for (const EtcdTransaction& late : std::exchange(etcd_.delayed, {})) etcd_.Carry(late);
    for (Replica& replica : replicas_) {
      replica.link->Heal();
      CatchUp(replica);
      if (replica.revision != Head()) Fail("a replica does not get to the newest revision");
    }
    CheckFromScratch();
    for (const std::string& id : refused_) {
      if (ids_.contains(id)) Fail(Concat("change-set ", id, " was refused, and is in the log"));
    }
    return fault_;
  }

  uint64_t appended() const { return Head(); }
  uint64_t trimmed() const { return trimmed_; }
  uint64_t unanswered() const { return unanswered_; }

 private:
  struct Replica {
    std::unique_ptr<UnreliableEtcd> link;
    std::unique_ptr<EtcdLog> log;
    uint64_t revision = 0;
    ResourceSet resources;
    bool busy = false;
  };

  int Draw(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  Replica& AnyReplica() { return replicas_[Draw(kReplicas)]; }
  void Fail(std::string what) {
    if (fault_.empty()) fault_ = std::move(what);
  }
  uint64_t Head() const { return truth_.size() - 1; }

  // What really happens: the log as it is written.
  void See(const std::string& key, const std::string& value) {
    if (!key.starts_with(Concat(kPrefix, "/log/"))) return;
    v1::StoredChangeSet record;
    record.ParseFromString(value);
    if (record.revision() != Head() + 1) {
      return Fail(Concat("revision ", std::to_string(record.revision()), " was written after ",
                         std::to_string(Head())));
    }
    if (!ids_.emplace(record.id(), record.revision()).second) {
      return Fail(Concat("change-set ", record.id(), " is in the log twice"));
    }
    if (record.status_only() && fences_.at(record.id()) != leader_) {
      return Fail("a status was written by one that leads no more");
    }
    Values values = truth_.back();
    for (const Operation& operation : made_.at(record.id()).operations) {
      if (operation.object == nullptr) {
        values.erase(operation.key.name);
      } else {
        ResourceSet one;
        one.Put(operation.object);
        values[operation.key.name] = ValueIn(one, operation.key.name);
      }
    }
    truth_.push_back(std::move(values));
  }

  // Others go on while one waits for an answer.
  void Meanwhile() {
    if (Draw(8) != 0) return;
    if (!etcd_.delayed.empty() && Draw(2) == 0) {
      const auto late = etcd_.delayed.begin() + Draw(static_cast<int>(etcd_.delayed.size()));
      const EtcdTransaction transaction = *late;
      etcd_.delayed.erase(late);
      etcd_.Carry(transaction);
      return;
    }
    Replica& other = AnyReplica();
    if (!other.busy) Step(other);
  }

  void Start(Replica& replica) {
    replica.busy = true;
    replica.link = std::make_unique<UnreliableEtcd>(etcd_, random_, [this] { Meanwhile(); });
    replica.log = nullptr;
    Load(replica);
    replica.busy = false;
  }

  // As a control plane that starts, and gives up where etcd does not answer.
  void Load(Replica& replica) {
    auto log = EtcdLog::Open(*replica.link, kPrefix, kRetention);
    if (!log.ok()) return CheckSilence(log.status(), "open");
    const absl::StatusOr<StoredState> state = (*log)->Load();
    if (!state.ok()) return CheckSilence(state.status(), "load");
    replica.log = *std::move(log);
    replica.log->SetFence(kNoFence);
    replica.revision = state->revision;
    replica.resources = state->resources;
    CheckState(replica);
  }

  void Step(Replica& replica) {
    replica.busy = true;
    const int choice = Draw(100);
    if (replica.log == nullptr || choice < 3) {
      Start(replica);
    } else if (choice < 55) {
      Append(replica);
    } else if (choice < 75) {
      CatchUp(replica);
    } else if (choice < 80) {
      Lead(replica);
    } else if (choice < 92) {
      Maintain(replica);
    } else {
      LookBack(replica);
    }
    replica.busy = false;
  }

  ChangeSet MakeChangeSet(bool status_only) {
    ChangeSet change_set;
    change_set.id = Concat("id-", std::to_string(made_.size()));
    change_set.status_only = status_only;
    std::set<std::string> names;
    for (int i = 0; i <= Draw(3); ++i) {
      const std::string name = Concat("o", std::to_string(Draw(kObjects)));
      if (!names.insert(name).second) continue;
      // The same content now and then: blobs are named by it.
      std::string value = std::to_string(Draw(4));
      if (Draw(6) == 0) value += std::string(kLargeBytes, 'x');
      change_set.operations.push_back(Draw(5) == 0 ? Remove(name) : Put(name, value));
    }
    made_[change_set.id] = change_set;
    return change_set;
  }

  void Append(Replica& replica) {
    const bool status_only = Draw(4) == 0;
    const ChangeSet change_set = MakeChangeSet(status_only);
    fences_[change_set.id] = replica.log->fence();
    const absl::Status appended = replica.log->Append(replica.revision, change_set);
    if (appended.ok()) {
      const auto known = ids_.find(change_set.id);
      if (known == ids_.end() || known->second != replica.revision + 1) {
        Fail(Concat("change-set ", change_set.id, " was acknowledged and is not in the log"));
      }
      replica.revision += 1;
      for (const Operation& operation : change_set.operations) {
        if (operation.object == nullptr) {
          replica.resources.Remove(operation.key);
        } else {
          replica.resources.Put(operation.object);
        }
      }
      CheckState(replica);
    } else if (absl::IsUnavailable(appended)) {
      ++unanswered_;
    } else if (absl::IsAborted(appended) || (status_only && absl::IsFailedPrecondition(appended))) {
      refused_.insert(change_set.id);
      CatchUp(replica);
    } else {
      Fail(Concat("an append: ", std::string(appended.message())));
    }
  }

  void CatchUp(Replica& replica) {
    if (replica.log == nullptr) return Load(replica);
    const absl::StatusOr<std::vector<CommittedChangeSet>> newer =
        replica.log->After(replica.revision);
    if (absl::IsOutOfRange(newer.status())) {
      const absl::StatusOr<StoredState> state = replica.log->Load();
      if (!state.ok()) return CheckSilence(state.status(), "load anew");
      replica.revision = state->revision;
      replica.resources = state->resources;
      return CheckState(replica);
    }
    if (!newer.ok()) return CheckSilence(newer.status(), "after");
    for (const CommittedChangeSet& committed : *newer) {
      if (committed.revision != ++replica.revision) Fail("a revision was left out");
      for (const Operation& operation : committed.change_set.operations) {
        if (operation.object == nullptr) {
          replica.resources.Remove(operation.key);
        } else {
          replica.resources.Put(operation.object);
        }
      }
      CheckState(replica);
    }
  }

  // The one before does not know yet that it leads no more.
  void Lead(Replica& replica) {
    const EtcdKeys keys(kPrefix);
    EtcdTransaction transaction;
    transaction.writes = {
        {.what = EtcdWrite::What::kDelete, .key = keys.Leader(), .value = "", .range_end = ""}};
    etcd_.Carry(transaction);
    transaction.writes = {
        {.what = EtcdWrite::What::kPut, .key = keys.Leader(), .value = "x", .range_end = ""}};
    leader_ = etcd_.Carry(transaction).revision;
    replica.log->SetFence(leader_);
  }

  void Maintain(Replica& replica) {
    if (replica.log->fence() == kNoFence) return;
    const absl::Status done =
        replica.log->Maintain({.revision = replica.revision, .resources = replica.resources});
    if (absl::IsAborted(done)) return replica.log->SetFence(kNoFence);
    if (!done.ok()) CheckSilence(done, "maintain");
  }

  void LookBack(Replica& replica) {
    if (replica.revision == 0) return;
    const auto revision = 1 + static_cast<uint64_t>(Draw(static_cast<int>(replica.revision)));
    const absl::StatusOr<ResourceSet> then = replica.log->StateAt(revision);
    if (absl::IsNotFound(then.status())) {
      ++trimmed_;
      return;
    }
    if (!then.ok()) return CheckSilence(then.status(), "state at");
    if (ValuesIn(*then) != truth_.at(revision)) Fail("the past is not what it was");
  }

  void CheckState(const Replica& replica) {
    if (replica.revision > Head()) return Fail("a revision that there is not");
    if (ValuesIn(replica.resources) != truth_[replica.revision]) {
      Fail(Concat("not the state of revision ", std::to_string(replica.revision)));
    }
  }

  void CheckSilence(const absl::Status& status, std::string_view what) {
    if (!absl::IsUnavailable(status)) Fail(Concat(what, ": ", status.ToString()));
  }

  // Somebody who knows nothing, when all is quiet.
  void CheckFromScratch() {
    Replica fresh;
    fresh.link = std::make_unique<UnreliableEtcd>(etcd_, random_, [] {});
    fresh.link->Heal();
    Load(fresh);
    if (fresh.log == nullptr || fresh.revision != Head())
      Fail("nobody could begin with what is there");
  }

  static constexpr int64_t kNoFence = -1;  // As Leadership has it.

  std::mt19937 random_;
  SimulatedEtcd etcd_;
  std::vector<Values> truth_;              // By revision.
  std::map<std::string, uint64_t> ids_;    // Of change-sets in the log.
  std::map<std::string, ChangeSet> made_;  // By id.
  std::map<std::string, int64_t> fences_;  // Of who made them.
  int64_t leader_ = 0;                     // The fence of the one that leads.
  std::set<std::string> refused_;
  Replica replicas_[kReplicas];
  std::string fault_;
  uint64_t trimmed_ = 0;
  uint64_t unanswered_ = 0;
};

uint32_t NumberIn(const char* variable, uint32_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

TEST(StoreSimulation, TheLogIsOneWhoeverWritesAndWhateverIsLost) {
  const uint32_t first = NumberIn("APK_PROOF_SEED", 1);
  const uint32_t count = NumberIn("APK_PROOF_SEEDS", 300);
  uint64_t appended = 0;
  uint64_t trimmed = 0;
  uint64_t unanswered = 0;
  for (uint32_t seed = first; seed < first + count; ++seed) {
    StoreSimulation simulation(seed);
    ASSERT_EQ(simulation.Run(), "") << "seed " << seed;
    appended += simulation.appended();
    trimmed += simulation.trimmed();
    unanswered += simulation.unanswered();
  }
  if (count == 1) return;
  EXPECT_GT(appended, 5 * count);
  EXPECT_GT(trimmed, 0u);
  EXPECT_GT(unanswered, count / 10);
}

// Reads, and calls somebody before each.
class WatchedEtcd final : public Etcd {
 public:
  explicit WatchedEtcd(SimulatedEtcd& etcd) : etcd_(etcd) {}
  std::function<void(const std::string& key)> before_read;

  absl::StatusOr<EtcdOutcome> Commit(const EtcdTransaction& transaction) override {
    return etcd_.Carry(transaction);
  }
  absl::StatusOr<std::vector<EtcdKeyValue>> Read(const EtcdRange& range) override {
    if (before_read) before_read(range.key);
    return etcd_.Range(range);
  }
  absl::Status Compact(int64_t) override { return absl::OkStatus(); }
  uint64_t cluster_id() const override { return 1; }

 private:
  SimulatedEtcd& etcd_;
};

// The leader trims between a record and its blobs: whoever reads begins anew, and does not take
// what it looked for as missing.
TEST(StoreSimulation, WhatIsTrimmedWhileItIsReadIsOutOfRange) {
  SimulatedEtcd etcd;
  WatchedEtcd link(etcd);
  const auto writer = EtcdLog::Open(link, kPrefix).value();
  ASSERT_TRUE(writer->Append(0, Make("1", {Put("a", std::string(kLargeBytes, 'x'))})).ok());
  const auto reader = EtcdLog::Open(link, kPrefix).value();
  const EtcdKeys keys(kPrefix);
  link.before_read = [&](const std::string& key) {
    if (!key.starts_with(keys.Blobs())) return;
    EtcdTransaction trim;
    trim.writes = {
        {.what = EtcdWrite::What::kDelete, .key = keys.Log(1), .value = "", .range_end = ""},
        {.what = EtcdWrite::What::kDelete, .key = key, .value = "", .range_end = ""}};
    etcd.Carry(trim);
  };
  const absl::Status after = reader->After(0).status();
  EXPECT_TRUE(absl::IsOutOfRange(after)) << after;
  const auto history = reader->History(10, true);
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_TRUE(history->empty());
}

std::string FirstFault(const StoreSimulation::Weaken& weaken) {
  constexpr uint32_t kSeeds = 500;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string fault = StoreSimulation(seed, weaken).Run();
    if (!fault.empty()) return fault;
  }
  return "";
}

void Drop(EtcdTransaction& transaction, const std::function<bool(const EtcdCompare&)>& dropped) {
  std::erase_if(transaction.compares, dropped);
}

TEST(StoreSimulation, FindsAnAppendThatDoesNotCompareTheHead) {
  EXPECT_NE(FirstFault([](EtcdTransaction& transaction) {
              Drop(transaction, [](const EtcdCompare& compare) {
                return compare.what == EtcdCompare::What::kModRevision;
              });
            }),
            "");
}

TEST(StoreSimulation, FindsAnAppendThatDoesNotSeeItsOwnTrace) {
  EXPECT_NE(FirstFault([](EtcdTransaction& transaction) {
              const EtcdKeys keys(kPrefix);
              for (EtcdRange& range : transaction.reads_instead) {
                if (range.key.starts_with(keys.Id(""))) range.key = keys.Id("nobody");
              }
            }),
            "");
}

TEST(StoreSimulation, FindsAnAppendThatDoesNotCompareItsBlobs) {
  EXPECT_NE(FirstFault([](EtcdTransaction& transaction) {
              Drop(transaction, [](const EtcdCompare& compare) {
                return compare.what == EtcdCompare::What::kExists;
              });
            }),
            "");
}

TEST(StoreSimulation, FindsALeaderThatDoesNotAskWhetherItIsStillOne) {
  EXPECT_NE(FirstFault([](EtcdTransaction& transaction) {
              Drop(transaction, [](const EtcdCompare& compare) {
                return compare.key == EtcdKeys(kPrefix).Leader();
              });
            }),
            "");
}

}  // namespace
}  // namespace apk::proof

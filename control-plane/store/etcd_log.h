// The engine for several control planes: the log in etcd, under one prefix. An append is one
// transaction that compares the head's revision of etcd, so that of several writers one wins and
// the others see that they did not. Requests are kept below etcd's limits (128 operations, 1.5
// MiB); what is larger goes ahead as blobs that are named by their content. Thread-safe.
//
// Whoever can read the prefix has every private key of the installation, and whoever can write it
// is its administrator: let etcd be reached over TLS with client certificates only.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "control-plane/store/etcd_checkpoints.h"
#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"
#include "control-plane/store/log.h"

namespace apk {

class EtcdLog final : public Log {
 public:
  // `prefix` as in EtcdUrl. The client outlives it. FAILED_PRECONDITION where a newer program wrote
  // there.
  static absl::StatusOr<std::unique_ptr<EtcdLog>> Open(Etcd& client, const std::string& prefix,
                                                       EtcdRetention retention = {});

  absl::StatusOr<StoredState> Load() override;
  absl::StatusOr<std::vector<CommittedChangeSet>> After(uint64_t revision) override;
  // A change-set of statuses only is bound to leadership where there is a fence:
  // FAILED_PRECONDITION where that is lost.
  absl::Status Append(uint64_t expected_head, const ChangeSet& change_set) override;
  absl::StatusOr<uint64_t> NewestRevision() override;
  absl::StatusOr<std::vector<ChangeRecord>> History(size_t limit, bool statuses) override;
  absl::StatusOr<ResourceSet> StateAt(uint64_t revision) override;

  uint64_t Head() const;  // As far as it is known here; 0: none.
  // The create revision of the leader's key while this process leads; 0: it does not.
  void SetFence(int64_t fence);
  int64_t fence() const;
  // The leader's housekeeping, as EtcdCheckpoints has it; by one thread.
  absl::Status Maintain(const StoredState& state,
                        uint64_t needed = std::numeric_limits<uint64_t>::max()) {
    return checkpoints_.Maintain(state, fence(), needed);
  }

 private:
  struct Known {
    uint64_t revision = 0;
    int64_t mod_revision = 0;  // Of the head's key; 0: there is none.
  };
  struct Draft;

  EtcdLog(Etcd& client, const std::string& prefix, EtcdRetention retention)
      : client_(client), keys_(prefix), checkpoints_(client, keys_, retention) {}
  absl::StatusOr<Known> ReadHead();
  absl::StatusOr<StoredState> TryLoad();
  absl::StatusOr<Draft> MakeDraft(uint64_t revision, const ChangeSet& change_set) const;
  EtcdTransaction TransactionFor(const Draft& draft, const Known& known) const;
  absl::StatusOr<std::vector<EtcdKeyValue>> Records(uint64_t first, uint64_t last);
  absl::StatusOr<CommittedChangeSet> ParseRecord(const EtcdKeyValue& pair);
  absl::Status CheckHistory(const Known& before, const Known& head) const;
  Known known() const;
  void Know(const Known& known);

  Etcd& client_;
  const EtcdKeys keys_;
  EtcdCheckpoints checkpoints_;
  uint64_t cluster_id_ = 0;

  mutable std::mutex mutex_;
  Known known_;
  int64_t fence_ = 0;
};

}  // namespace apk

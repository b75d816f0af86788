// One control plane among several on the same etcd. It follows the log: a watch tells that there is
// something to read, and every few seconds it is read anyway, so that a watch may lose or repeat
// what it likes. It quotes its agents to the others, and stands for leader, who writes statuses,
// drives rollouts and keeps the log short. Without etcd it serves on with what it has, and comes
// back by itself.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/thread.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/identity/identity_ledger.h"
#include "control-plane/replication/fleet_exchange.h"
#include "control-plane/replication/leadership.h"
#include "control-plane/rollout/rollout_book.h"
#include "control-plane/rollout/rollout_control.h"
#include "control-plane/store/etcd_log.h"

namespace apk {

class Replica {
 public:
  // `prefix` as in EtcdUrl. All of them outlive it, and the rollouts outlive the configuration.
  // From here on statuses are written by the leader alone.
  Replica(EtcdClient& client, EtcdLog& log, const std::string& prefix, Configuration& configuration,
          AgentRegistry& agents, IdentityLedger& identities, RolloutBook& rollouts,
          RolloutControl& rollout_control);
  ~Replica() { Stop(); }

  // REQUIRES: the configuration is loaded.
  void Start();
  // Gives up leadership and ends all calls of the client.
  void Stop();
  // There is something newer in the log, somebody says. Thread-safe.
  void ReadSoon();

 private:
  void Watch();
  void Follow();
  void Participate();
  void ShowLead();
  void OnEvents(const std::vector<EtcdEvent>& events);
  bool TakeRecord(const EtcdEvent& event);
  absl::Status LoadRecords();
  bool StopsWithin(std::chrono::milliseconds duration);
  // One line for the first of several errors alike, one when it is over.
  void Note(bool& failing, const absl::Status& status, std::string_view what) const;

  EtcdClient& client_;
  EtcdLog& log_;
  const EtcdKeys keys_;
  Configuration& configuration_;
  AgentRegistry& agents_;
  IdentityLedger& identities_;
  RolloutBook& rollouts_;
  RolloutControl& rollout_control_;
  const std::string name_;
  FleetExchange fleet_;
  Leadership leadership_;
  bool leads_ = false;

  std::mutex mutex_;
  std::condition_variable follow_;
  std::condition_variable participate_;
  bool stopping_ = false;
  bool head_moved_ = false;
  bool read_all_ = true;
  std::vector<EtcdEvent> reports_;  // Of other control planes' agents.
  bool agents_changed_ = false;
  bool leader_gone_ = false;

  Thread watch_thread_;
  Thread follow_thread_;
  Thread participate_thread_;
};

}  // namespace apk

// Carries rollouts out: has agents run what the state says, on every control plane; and takes the
// state from one step to the next, on the one that leads. A thread of its own. Thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "apk/v1/rollout.pb.h"
#include "common/thread.h"
#include "control-plane/admin/configuration.h"
#include "control-plane/discovery/agent_registry.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/rollout/quarantine_control.h"
#include "control-plane/rollout/rollout_book.h"
#include "control-plane/rollout/rollout_fleet.h"

namespace apk {

class RolloutControl {
 public:
  // All outlive it.
  RolloutControl(RolloutBook& book, Configuration& configuration, SnapshotCache& snapshots,
                 AgentRegistry& agents);
  ~RolloutControl() { Stop(); }

  // Reads the store. REQUIRES: the configuration is not loaded yet: what it publishes must not
  // reach agents that a rollout keeps it from.
  absl::Status Load();
  // REQUIRES: the configuration is loaded.
  void Start();
  void Stop();
  // Whether this control plane is the one that leads. True at first.
  void Lead(bool here);
  // Called when agents are to tell their traffic so often, 0: no more; on any thread. nullptr:
  // nobody is, from the return on.
  void OnTrafficWanted(std::function<void(std::chrono::milliseconds)> wanted);

  v1::RolloutPolicy Policy() const { return book_.Now()->policy.policy(); }
  // Returns when it is in force.
  absl::StatusOr<v1::RolloutPolicy> SetPolicy(const v1::SetRolloutPolicyRequest& request,
                                              const std::string& author);
  // What a backup had, where there is nothing of the kind yet: what is held back before its objects
  // are restored, the policy after that, so that they are what all agents get.
  absl::Status RestoreHeld(const RolloutPage& backup);
  absl::Status RestorePolicy(const RolloutPage& backup, const std::string& author);
  v1::RolloutStatus Status();
  v1::ListRolloutsResponse History() const;
  absl::StatusOr<v1::RolloutStatus> Steer(const v1::SteerRolloutRequest& request,
                                          const std::string& author);

 private:
  void Wake();
  void Run();
  RolloutBook::PagePtr Follow();
  bool Drive(const RolloutBook::PagePtr& page, bool leads);
  void AskTraffic(const RolloutPage& page);
  void Report(const RolloutPage& page);
  SlicesPtr SnapshotOf(uint64_t revision, const google::protobuf::RepeatedField<uint64_t>& held,
                       const RolloutPage& page);
  void BlameRefusals(const RolloutPage& page, RolloutChange& change);
  bool Write(const RolloutBook::PagePtr& page, const RolloutChange& change);
  RolloutView View(const RolloutPage& page);
  bool NewestIsPromoted() const;
  std::chrono::milliseconds Patience(bool leads) const;

  RolloutBook& book_;
  Configuration& configuration_;
  SnapshotCache& snapshots_;
  AgentRegistry& agents_;
  QuarantineControl quarantine_;

  std::mutex traffic_mutex_;
  StageTraffic traffic_;

  mutable std::mutex targets_mutex_;
  RolloutTargets targets_;

  std::mutex wanted_mutex_;  // Held while it is told.
  std::function<void(std::chrono::milliseconds)> wanted_;
  std::chrono::milliseconds traffic_every_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable settled_;  // Until something else happens.
  bool woken_ = true;
  bool agents_changed_ = false;
  bool leads_ = true;
  bool stopping_ = false;
  // Of the thread, and of who starts it before.
  RolloutBook::PagePtr followed_;
  uint64_t lost_revision_ = 0;  // That the store has forgotten; 0: none.
  Thread thread_;
};

}  // namespace apk

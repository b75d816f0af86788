// Which agent runs what: for `apkctl agents`, and for the conditions that say what is really
// served. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "apk/v1/discovery.pb.h"
#include "common/labels.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/translation/translate.h"

namespace apk {

// Why an agent refuses a snapshot: its error, and those of the resources that it names.
std::string ReasonOf(const v1::DiscoveryRequest& request);

class AgentRegistry {
 public:
  // `changed` is called, on any thread, when Report() may have changed; it must not wait. nullptr:
  // nobody is told, from the return on.
  void OnChange(std::function<void()> changed);
  // The same for Own().
  void OnOwnChange(std::function<void()> changed);
  // The same for Connected(), traffic aside.
  void OnAgents(std::function<void()> changed);

  // A stream of the agent opened with this request; `stream` tells it from others of the same
  // agent. ALREADY_EXISTS while another one is open: two agents must not share an id.
  absl::Status Connect(const v1::DiscoveryRequest& hello, const Labels& labels, uint64_t stream);
  // Its labels are others than before.
  void Relabel(const std::string& id, const Labels& labels);
  void Acknowledge(const std::string& id, const v1::DiscoveryRequest& request);
  // `version`: of the snapshot that it refuses.
  void Reject(const std::string& id, const v1::DiscoveryRequest& request,
              const std::string& version);
  // Is not told to listeners: it is looked at when it is wanted.
  void NoteTraffic(const std::string& id, const v1::Traffic& traffic);
  void Disconnect(const std::string& id, uint64_t stream);

  // Agents that are or were connected here, as they are quoted to other control planes.
  std::vector<v1::AgentStatus> Own() const;
  // What other control planes quote; replaces what they did before.
  void SetElsewhere(std::vector<v1::AgentStatus> statuses);

  // Why agents do not run what is newest, for the conditions.
  void SetHeldBack(HeldBack held_back);

  // That are connected, here and elsewhere.
  std::vector<v1::AgentStatus> Connected() const;
  // To this control plane or to another one.
  bool IsConnected(const std::string& id) const;
  // Of all agents, here and elsewhere.
  FleetReport Report() const;
  // Sorted by id; the snapshots decide what is up to date.
  std::vector<v1::AgentStatus> List(const SnapshotCache& snapshots) const;

 private:
  struct Entry {
    uint64_t stream = 0;
    v1::AgentStatus status;
  };
  void Changed(bool own);
  std::map<std::string, const v1::AgentStatus*> All() const;

  std::mutex listeners_mutex_;  // Held while they run, so that setting another is a full stop.
  std::function<void()> changed_;
  std::function<void()> own_changed_;
  std::function<void()> agents_changed_;

  mutable std::mutex mutex_;
  std::map<std::string, Entry> agents_;
  std::vector<v1::AgentStatus> elsewhere_;
  HeldBack held_back_;
};

}  // namespace apk

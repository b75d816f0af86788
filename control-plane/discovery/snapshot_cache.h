// The newest snapshot, which part of it is for which agent, and who is told when there is a newer
// one. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/labels.h"
#include "control-plane/translation/snapshot_slices.h"

namespace apk {

// Who an agent is, as far as it decides what is for it: by its identity, never by its own word.
struct AgentScope {
  std::string id;
  Labels labels;

  bool operator==(const AgentScope& other) const = default;
};

class SnapshotCache {
 public:
  using Watcher = std::function<void(const SnapshotPtr&)>;

  // Makes it the newest; watchers are told unless all agents get the same of it as before. They run
  // on the caller's thread and must not wait.
  void Publish(SlicesPtr snapshot);
  SnapshotPtr Newest()
      const;  // The whole. Never nullptr; without a version before the first Publish.
  // What the agent should run. Never nullptr.
  SnapshotPtr For(const AgentScope& agent) const;

  // The watcher is told of what is for the agent, from now on, also where that is what it was told
  // before. Returns its number for Unwatch, after which it is not running and will not be called.
  int Watch(AgentScope agent, Watcher watcher);
  // The agent is another than before (its labels are): the watcher is told what is for it.
  void Move(int number, AgentScope agent);
  void Unwatch(int number);

 private:
  struct Watched {
    AgentScope agent;
    Watcher watcher;
  };
  // REQUIRES: mutex_ is held.
  SnapshotPtr Choose(const AgentScope& agent) const { return newest_->For(agent.labels); }

  mutable std::mutex mutex_;
  SlicesPtr newest_ =
      std::make_shared<const SnapshotSlices>(std::make_shared<const SharedSnapshot>());
  int next_number_ = 1;
  std::map<int, Watched> watchers_;
};

}  // namespace apk

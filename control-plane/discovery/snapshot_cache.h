// The newest snapshot, and which part of it is for which agent. Thread-safe.
#pragma once

#include <functional>
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
  // Makes it the newest; the listener is told unless all agents get the same of it as before.
  void Publish(SlicesPtr snapshot);
  // The whole. Never nullptr; without a version before the first Publish.
  SnapshotPtr Newest() const;
  // What the agent should run. Never nullptr.
  SnapshotPtr For(const AgentScope& agent) const;

  // `changed` is called, on any thread, when what is for some agent may be another; it must not
  // wait. nullptr: nobody is told, from the return on.
  void OnChange(std::function<void()> changed);

 private:
  std::mutex listener_mutex_;  // Held while it runs, so that setting another is a full stop.
  std::function<void()> changed_;

  mutable std::mutex mutex_;
  SlicesPtr newest_ =
      std::make_shared<const SnapshotSlices>(std::make_shared<const SharedSnapshot>());
};

}  // namespace apk

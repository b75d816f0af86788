// The newest snapshot, which part of it is for which agent, and who gets another one while it is
// rolled out. Thread-safe.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
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

// Which agents run what while the newest snapshot is not for all of them.
struct RolloutTargets {
  SlicesPtr promoted;   // nullptr: it can't be had, and nobody is sent anything in its place.
  SlicesPtr candidate;  // The members'.
  std::shared_ptr<const absl::flat_hash_set<uint64_t>> members;  // By AgentKey; nullptr: none.
  // As in DiscoveryResponse.
  uint64_t withdrawn_revision = 0;
  uint64_t withdrawn_after = 0;
};

// One agent tries a snapshot that nobody else gets.
struct SnapshotTrial {
  uint64_t agent = 0;  // AgentKey
  SlicesPtr slices;    // nullptr: there is none.
};

class SnapshotCache {
 public:
  // Makes it the newest; the listener is told unless all agents get the same of it as before, or it
  // is held back.
  void Publish(SlicesPtr snapshot);
  // What is published from now on gets to nobody: agents are to run what is newest now, until they
  // are given targets. Nothing where they are already.
  void Hold();
  void SetTargets(RolloutTargets targets);
  // Agents are to run what is newest.
  void Release();
  // Whatever the targets are.
  void SetTrial(SnapshotTrial trial);

  // The whole. Never nullptr; without a version before the first Publish.
  SnapshotPtr Newest() const;
  SlicesPtr NewestSlices() const;
  // The first revision that was published with what the newest has for agents.
  uint64_t FirstRevision() const;
  // One of the last that were published, which is for agents what there was at `revision` with
  // these held back; nullptr where that is not known.
  SlicesPtr Find(uint64_t revision, const std::vector<uint64_t>& held = {}) const;
  // What those run that are no members; the newest where nothing is held back.
  SlicesPtr Held() const;
  // What the agent should run. Never nullptr.
  SnapshotPtr For(const AgentScope& agent) const;
  // What is newest for it, held back or not.
  SnapshotPtr NewestFor(const AgentScope& agent) const;
  // As in DiscoveryResponse: those after the first and up to the second.
  struct Withdrawn {
    uint64_t after = 0;
    uint64_t last = 0;
    bool Contains(uint64_t revision) const { return after < revision && revision <= last; }
  };
  Withdrawn withdrawn() const;

  // `changed` is called, on any thread, when what is for some agent may be another; it must not
  // wait. nullptr: nobody is told, from the return on.
  void OnChange(std::function<void()> changed);
  // The same after each Publish, whoever it is for.
  void OnPublish(std::function<void()> published);

 private:
  // Published one after the other, the same for agents.
  struct Span {
    uint64_t first = 0;
    uint64_t last = 0;
    SlicesPtr slices;
  };
  // REQUIRES: mutex_ is held.
  bool TakeIn(SlicesPtr snapshot);
  void Changed();

  std::mutex listener_mutex_;  // Held while they run, so that setting another is a full stop.
  std::function<void()> changed_;
  std::function<void()> published_;

  mutable std::mutex mutex_;
  SlicesPtr newest_ =
      std::make_shared<const SnapshotSlices>(std::make_shared<const SharedSnapshot>());
  std::deque<Span> spans_;                 // The last few; the newest is in the last.
  std::optional<RolloutTargets> targets_;  // Nothing: everybody gets the newest.
  SnapshotTrial trial_;
};

}  // namespace apk

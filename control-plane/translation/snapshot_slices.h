// What agents get of a snapshot: all of it, or, where Gateways are not for all agents, the
// listeners of those that select the agent, the routes there, and what these refer to. Agents that
// the same Gateways select share one object, which is made when the first one asks. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/labels.h"
#include "control-plane/translation/shared_snapshot.h"

namespace apk {

class SnapshotSlices {
 public:
  explicit SnapshotSlices(SnapshotPtr whole) : whole_(std::move(whole)) {}

  const SnapshotPtr& whole() const { return whole_; }
  // Never nullptr. Its version is the digest of what is in it, so that it stays the same where only
  // others' parts change.
  SnapshotPtr For(const Labels& labels) const;
  // The same under another revision.
  std::shared_ptr<const SnapshotSlices> At(uint64_t revision) const;
  // The same, made with these held back.
  std::shared_ptr<const SnapshotSlices> Holding(std::vector<uint64_t> held) const;
  // Whether all agents get the same of both.
  bool SameAs(const SnapshotSlices& other) const;

 private:
  const SnapshotPtr whole_;
  mutable std::mutex mutex_;
  // By which of the scopes select the agent.
  mutable std::map<std::vector<bool>, SnapshotPtr> slices_;
};

using SlicesPtr = std::shared_ptr<const SnapshotSlices>;

}  // namespace apk

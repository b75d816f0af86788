// The newest snapshot, and who is told when there is a newer one. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "control-plane/translation/shared_snapshot.h"

namespace apk {

class SnapshotCache {
 public:
  using Watcher = std::function<void(const SnapshotPtr&)>;

  // Makes it the newest; watchers are told unless the version is the same. Watchers run on the
  // caller's thread and must not wait.
  void Publish(SnapshotPtr snapshot);
  SnapshotPtr Newest() const;  // Never nullptr; without a version before the first Publish.

  // The watcher is told of what is published from now on. Returns its number for Unwatch, after
  // which it is not running and will not be called.
  int Watch(Watcher watcher);
  void Unwatch(int number);

 private:
  mutable std::mutex mutex_;
  SnapshotPtr newest_ = std::make_shared<const SharedSnapshot>();
  int next_number_ = 1;
  std::map<int, Watcher> watchers_;
};

}  // namespace apk

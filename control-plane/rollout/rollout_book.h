// What the store has of rollouts: the policy, the state, and those that have ended; and a copy of
// it in memory. Each write is of what was read and of nothing newer. Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/store.pb.h"
#include "control-plane/store/records.h"

namespace apk {

// A value.
struct RolloutPage {
  v1::StoredRolloutPolicy policy;
  v1::StoredRollout state;
  v1::StoredRolloutHistory history;
  v1::StoredHeld held;
  std::array<int64_t, 4> versions{};  // Of the records, in this order; 0: there is none.

  bool has_policy() const { return policy.policy().stages_size() > 0; }
};

// Nothing: it stays as it is.
struct RolloutChange {
  std::optional<v1::StoredRolloutPolicy> policy;  // Without stages: there is none from then on.
  std::optional<v1::StoredRollout> state;         // One that ends goes into the history.
  std::optional<v1::StoredHeld> held{};
};

class RolloutBook {
 public:
  using PagePtr = std::shared_ptr<const RolloutPage>;

  // It outlives the book.
  explicit RolloutBook(Records& records) : records_(records) {}

  static bool IsKey(const std::string& key);  // Of a record of rollouts.

  // Reads it from the store.
  absl::Status Load();
  // What was written elsewhere. An old one does nothing.
  void Take(const Record& record);
  PagePtr Now() const;

  // ABORTED where it is no longer what `page` says, or another control plane leads; what it is now
  // was read then.
  absl::Status WriteAsLeader(const RolloutPage& page, const RolloutChange& change);
  // Decided on what is read for it, and decided anew where others were faster.
  absl::Status Change(
      const std::function<absl::StatusOr<RolloutChange>(const RolloutPage&)>& decide);

  // What a backup has of it: the policy, and what is held back. What a rollout is at is none of it:
  // agents are wherever they are by then.
  std::vector<std::pair<std::string, std::string>> Export() const;

  // Called, on any thread, when it may be another; it must not wait for long, nor change it.
  // nullptr: nobody is told, from the return on.
  void OnChange(std::function<void()> changed);

 private:
  absl::Status Write(const RolloutPage& page, const RolloutChange& change, bool leader_only);
  bool Keep(const Record& record);
  void Changed();

  Records& records_;
  mutable std::mutex mutex_;
  PagePtr page_ = std::make_shared<const RolloutPage>();
  std::array<int64_t, 4> seen_{};  // As versions, but of one that is gone: when it was seen to be.

  std::mutex listener_mutex_;  // Held while it runs, so that setting another is a full stop.
  std::function<void()> changed_;
};

// What Export gave, as far as it can be read; otherwise empty.
RolloutPage PageOf(const std::vector<std::pair<std::string, std::string>>& exported);
// Into a store that has none of it.
absl::Status ImportRollouts(Records& records,
                            const std::vector<std::pair<std::string, std::string>>& exported);

}  // namespace apk

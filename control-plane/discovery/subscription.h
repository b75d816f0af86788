// What one agent has, and what is on its way to it. Pure; one per stream. At most one response is
// in flight: a newer snapshot waits for the answer, so that a slow agent skips versions. A version
// that the agent refused is not sent to it again. An agent that comes with another version is asked
// what it holds, and sent the difference.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "apk/v1/discovery.pb.h"
#include "control-plane/translation/shared_snapshot.h"

namespace apk {

class Subscription {
 public:
  // `store`: as in DiscoveryResponse.
  explicit Subscription(std::string store = "") : store_(std::move(store)) {}

  // Whether the agent that says this runs a newer revision of the same history than `newest`:
  // nothing must be sent to it then.
  bool IsAhead(const v1::DiscoveryRequest& hello, const SnapshotPtr& newest) const {
    return !store_.empty() && hello.store() == store_ && hello.revision() > newest->revision;
  }

  // The agent's first request names the version that it holds. A response, or nothing if it is up
  // to date.
  std::optional<v1::DiscoveryResponse> OnHello(const v1::DiscoveryRequest& request,
                                               const SnapshotPtr& newest);
  std::optional<v1::DiscoveryResponse> OnPublish(const SnapshotPtr& newest);

  struct Answer {
    bool stale = false;  // Its nonce is not the one in flight: ignored.
    bool told = false;   // It only says what the agent holds.
    bool accepted = false;
    bool again = false;   // It could not take the difference, and is sent the whole.
    std::string version;  // Of the snapshot that it answers.
    std::optional<v1::DiscoveryResponse> next;
  };
  Answer OnAnswer(const v1::DiscoveryRequest& request);

  const std::string& acknowledged() const { return acknowledged_; }

 private:
  std::optional<v1::DiscoveryResponse> SendIfDue();
  v1::DiscoveryResponse Ask();
  v1::DiscoveryResponse Difference() const;
  // Against what the agent said that it holds.
  v1::DiscoveryResponse DifferenceToHeld() const;

  const std::string store_;
  std::string acknowledged_;  // Version.
  SnapshotPtr base_;          // The acknowledged snapshot where this stream sent it.
  // Where it told, and nothing was acknowledged since: fingerprints, see HeldResources.
  std::optional<absl::flat_hash_set<uint64_t>> held_;
  bool asked_ = false;  // What it holds; its answer is awaited.
  SnapshotPtr newest_;
  SnapshotPtr in_flight_;
  uint64_t last_nonce_ = 0;
  std::set<std::string> refused_;  // Versions; the newest few.
};

}  // namespace apk

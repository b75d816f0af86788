// What one agent has, and what is on its way to it. Pure; one per stream. At most one response is
// in flight: a newer snapshot waits for the answer, so that a slow agent skips versions. A version
// that the agent refused is not sent to it again.
#pragma once

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
    bool accepted = false;
    std::string version;  // Of the snapshot that it answers.
    std::optional<v1::DiscoveryResponse> next;
  };
  Answer OnAnswer(const v1::DiscoveryRequest& request);

  const std::string& acknowledged() const { return acknowledged_; }

 private:
  std::optional<v1::DiscoveryResponse> SendIfDue();
  v1::DiscoveryResponse Difference() const;

  const std::string store_;
  std::string acknowledged_;  // Version.
  SnapshotPtr base_;          // The acknowledged snapshot where this stream sent it.
  SnapshotPtr newest_;
  SnapshotPtr in_flight_;
  uint64_t last_nonce_ = 0;
  std::set<std::string> refused_;  // Versions; the newest few.
};

}  // namespace apk

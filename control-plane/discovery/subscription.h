// What one agent has, and what is on its way to it. Pure; one per stream. At
// most one response is in flight: a newer snapshot waits for the answer, so
// that a slow agent skips versions. A version that the agent refused is not
// sent to it again. An agent that comes with another version is asked what it
// holds, and sent the difference.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apk/v1/discovery.pb.h"
#include "control-plane/discovery/difference_cache.h"
#include "control-plane/translation/shared_snapshot.h"

namespace apk {

// A response on its way to one agent: the parts of the difference, which others
// are sent, too, and what follows the last of them.
struct OutgoingResponse {
  EncodedDifferencePtr difference;  // nullptr where there is none.
  v1::DiscoveryResponse rest;
};

class Subscription {
 public:
  // `store`: as in DiscoveryResponse. `differences` outlives it.
  explicit Subscription(DifferenceCache& differences, std::string store = "")
      : differences_(differences), store_(std::move(store)) {}

  // Whether the agent that says this runs a newer revision of the same history
  // than `newest`: nothing must be sent to it then.
  bool IsAhead(const v1::DiscoveryRequest& hello, const SnapshotPtr& newest) const {
    return !store_.empty() && hello.store() == store_ && hello.revision() > newest->revision;
  }

  // The agent's first request names the version that it holds. A response, or
  // nothing if it is up to date.
  std::optional<OutgoingResponse> OnHello(const v1::DiscoveryRequest& request,
                                          const SnapshotPtr& newest);
  std::optional<OutgoingResponse> OnPublish(const SnapshotPtr& newest);

  struct Answer {
    bool stale = false;  // Its nonce is not the one in flight: ignored.
    bool told = false;   // It only says what the agent holds.
    bool accepted = false;
    bool again = false;   // It could not take the difference, and is sent the whole.
    std::string version;  // Of the snapshot that it answers.
    std::optional<OutgoingResponse> next;
  };
  Answer OnAnswer(const v1::DiscoveryRequest& request);

  const std::string& acknowledged() const { return acknowledged_; }

 private:
  // What the agent told that it holds; see HeldResources.
  struct Held {
    std::string digest;
    std::vector<uint64_t> fingerprints;
  };

  std::optional<OutgoingResponse> SendIfDue();
  OutgoingResponse Ask();
  // To the newest, from what the agent has as far as it is known.
  EncodedDifferencePtr DifferenceToNewest();

  DifferenceCache& differences_;
  const std::string store_;
  bool takes_parts_ = false;
  bool can_tell_held_ = false;
  std::string acknowledged_;  // Version.
  SnapshotPtr base_;          // The acknowledged snapshot where this stream sent it.
  std::optional<Held> held_;  // As long as it takes to make a difference of it: it is large.
  bool asked_ = false;        // What it holds; its answer is awaited.
  bool whole_wanted_ = false;
  SnapshotPtr newest_;
  SnapshotPtr in_flight_;
  bool in_flight_whole_ = false;
  uint64_t last_nonce_ = 0;
  std::set<std::string> refused_;  // Versions; the newest few.
};

}  // namespace apk

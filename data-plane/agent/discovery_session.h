// The agent's side of discovery: what it holds, what it says of that, and what it makes of
// responses. Pure: what it takes is put in force by others.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "apk/v1/discovery.pb.h"
#include "data-plane/agent/snapshot_builder.h"

namespace apk {

class DiscoverySession {
 public:
  // It is in force.
  void Hold(const v1::Snapshot& snapshot);

  // The first request of a stream.
  v1::DiscoveryRequest Hello(const v1::AgentInfo& agent) const;
  // Whether the response would lead back to a lower revision of the same history, from one that was not withdrawn: it
  // is not to be taken then.
  bool IsOlder(const v1::DiscoveryResponse& response) const;
  // Hands the snapshot that the response leads to over to `put_in_force`, which calls Hold where
  // that goes well, and otherwise writes an error into the request; or tells what is asked. Returns
  // the request to send back.
  using PutInForce = std::function<void(const v1::Snapshot&, v1::DiscoveryRequest&)>;
  v1::DiscoveryRequest Answer(const v1::DiscoveryResponse& response,
                              const PutInForce& put_in_force) const;

  const std::string& version() const { return version_; }  // "" where there is none yet.
  uint64_t revision() const { return revision_; }
  const std::string& store() const { return store_; }  // As in DiscoveryResponse.
  v1::Snapshot Now() const;

 private:
  SnapshotBuilder builder_;
  std::string version_;
  uint64_t revision_ = 0;
  std::string store_;
};

}  // namespace apk

// What the agent holds, brought up to date by responses: whole snapshots or differences. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>

#include "apk/v1/discovery.pb.h"
#include "apk/v1/snapshot.pb.h"

namespace apk {

class SnapshotBuilder {
 public:
  void Reset(const v1::Snapshot& snapshot);
  // What it holds, in the order of names; neither version nor revision.
  v1::Snapshot Now() const;
  // The snapshot that the response leads to; this builder is unchanged until Reset. DataLoss where
  // its resources are not those that the response's version is the digest of.
  absl::StatusOr<v1::Snapshot> Next(const v1::DiscoveryResponse& response) const;
  v1::HeldResources Held() const;

 private:
  std::map<std::string, v1::SnapshotResource> resources_;
};

}  // namespace apk

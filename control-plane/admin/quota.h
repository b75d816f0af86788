// How much may be in one namespace, so that who may edit it can't fill the store. Counted as
// objects come and go. Not thread-safe.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <string>

#include "control-plane/resources/resource_set.h"
#include "control-plane/store/log.h"

namespace apk {

// 0: no limit.
struct QuotaOptions {
  uint64_t objects = 50'000;
  uint64_t bytes = 128 << 20;  // Of what users wrote: statuses are not counted.
};

class NamespaceQuota {
 public:
  void Limit(const QuotaOptions& options) { options_ = options; }
  // What is there at first.
  void Count(const ResourceSet& resources);
  // `before` became `after`; nullptr: it was not there, it is gone.
  void Note(const ResourcePtr& before, const ResourcePtr& after);

  // PERMISSION_DENIED, in Kubernetes' words, where a namespace would have more than it may and more
  // than it has. `resources`: what was counted. The gateway's own namespace is not limited.
  absl::Status Check(const ResourceSet& resources,
                     const std::map<ResourceKey, Operation>& operations) const;

 private:
  struct Usage {
    int64_t objects = 0;
    int64_t bytes = 0;
  };
  QuotaOptions options_;
  std::map<std::string, Usage> used_;  // By namespace.
};

}  // namespace apk

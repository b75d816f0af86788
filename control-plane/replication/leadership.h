// The lease of one control plane, and the key that the leader has under its lease. Losing either is
// noticed here later than in etcd: hence the fence, which the leader's transactions compare. By one
// thread.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"

namespace apk {

class Leadership {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kLease{6};
  static constexpr int64_t kNoFence = -1;  // Compares with nothing that there is.

  // `replica` is written into the leader's key. The client outlives it.
  Leadership(EtcdClient& client, EtcdKeys keys, std::string replica)
      : client_(client), keys_(std::move(keys)), replica_(std::move(replica)) {}

  // Takes or renews the lease where it is time, and stands for leader. Call it every second or so.
  // NOT_FOUND: the lease was lost, and what was under it; call again.
  absl::Status Renew(TimePoint now);
  // Gives both up at once, for others to take over.
  void Resign();
  // What was written under the lease may be gone.
  void LoseLease();

  int64_t lease() const { return lease_; }  // 0: none.
  // The create revision of the leader's key while this control plane leads, else kNoFence.
  int64_t fence() const { return fence_; }

 private:
  absl::Status Stand();

  EtcdClient& client_;
  const EtcdKeys keys_;
  const std::string replica_;
  int64_t lease_ = 0;
  int64_t fence_ = kNoFence;
  TimePoint renewed_;
};

}  // namespace apk

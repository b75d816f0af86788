// The gRPC face of discovery: it only moves messages, subscription.cc decides.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>

#include "apk/v1/discovery.grpc.pb.h"
#include "control-plane/discovery/agent_registry.h"
#include "control-plane/discovery/snapshot_cache.h"

namespace apk {

class DiscoveryService final : public v1::DiscoveryService::CallbackService {
 public:
  DiscoveryService(SnapshotCache& cache, AgentRegistry& registry)
      : cache_(cache), registry_(registry) {}

  grpc::ServerBidiReactor<v1::DiscoveryRequest, v1::DiscoveryResponse>* Stream(
      grpc::CallbackServerContext* context) override;

 private:
  SnapshotCache& cache_;
  AgentRegistry& registry_;
  std::atomic<uint64_t> next_stream_{1};
};

}  // namespace apk

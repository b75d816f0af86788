// The gRPC face of discovery: it only moves messages, subscription.cc decides.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "apk/v1/discovery.grpc.pb.h"
#include "control-plane/discovery/agent_registry.h"
#include "control-plane/discovery/difference_cache.h"
#include "control-plane/discovery/push_loop.h"
#include "control-plane/discovery/snapshot_cache.h"
#include "control-plane/identity/identity_watch.h"

namespace apk {

class AgentStream;

// Messages are bytes here: those that are sent to many are encoded once.
class DiscoveryService final
    : public v1::DiscoveryService::WithRawCallbackMethod_Stream<v1::DiscoveryService::Service> {
 public:
  // `store`: as in DiscoveryResponse. `behind` is called when an agent comes
  // that has seen a newer revision than this control plane, on any thread; it
  // must not wait.
  DiscoveryService(SnapshotCache& cache, AgentRegistry& registry, IdentityWatch& identities,
                   std::string store, std::function<void()> behind);
  ~DiscoveryService() override;

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Stream(
      grpc::CallbackServerContext* context) override;

  // Has agents tell their traffic so often; 0: no more. Thread-safe.
  void AskTraffic(std::chrono::milliseconds every);

  // Ends all streams, and those that come later at once: agents look for
  // another control plane, or for this one when it is back. Thread-safe.
  void Shutdown();

 private:
  friend class AgentStream;
  // False after Shutdown.
  bool Enter(AgentStream* stream);
  void Leave(AgentStream* stream);
  // Ends the streams of those who are not let in any more.
  void Judge();
  // Tells each agent of what is for it.
  void Push();
  // Calls `visit` with each stream that there is now and still then. One that
  // comes meanwhile looks for itself what is newest.
  template <class Visit>
  void ForEachStream(const Visit& visit);

  SnapshotCache& cache_;
  AgentRegistry& registry_;
  IdentityWatch& identities_;
  const std::string store_;
  const std::function<void()> behind_;
  std::atomic<uint64_t> next_stream_{1};
  DifferenceCache differences_;
  std::atomic<int64_t> traffic_every_ms_{0};

  std::recursive_mutex mutex_;  // A stream may leave while it is being ended.
  std::set<AgentStream*> streams_;
  bool shut_down_ = false;
  int watch_ = 0;
  PushLoop push_loop_;  // Last: it ends first.
};

}  // namespace apk

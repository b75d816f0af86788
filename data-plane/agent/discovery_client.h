// The stream to the control plane: one thread that connects, receives, hands over, acknowledges,
// and reconnects with jittered back-off for as long as it takes, to a different control plane where
// there are several. The agent serves on meanwhile.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/thread.h"
#include "data-plane/agent/agent.h"
#include "data-plane/identity/tls_identity.h"

namespace grpc {
class ClientContext;
}

namespace apk {

struct DiscoveryOptions {
  std::vector<std::string> control_planes;  // host:port; at least one.
  // Asked for each connection, on the client's thread; nullopt: there is none yet. A connection
  // keeps what it began with.
  std::function<std::optional<TlsIdentity>()> identity;
  v1::AgentInfo agent;
};

class DiscoveryClient {
 public:
  DiscoveryClient(DiscoveryOptions options, Agent& agent)
      : options_(std::move(options)), agent_(agent) {}
  ~DiscoveryClient() { Stop(); }

  // Also after Stop.
  void Start();
  void Stop();
  // Takes nothing any more, from the return on, until Release. The stream stays open, and the control plane is not
  // told that what it sends is in force.
  void Hold();
  void Release();

 private:
  void Run();
  // One stream, until it ends. True where the control plane let the agent in.
  bool RunStream(const std::string& control_plane, const TlsIdentity& identity);
  // Lets nothing change while it takes something. False when it is stopped, and nothing is to be taken.
  bool BeginToTake();
  void EndTaking();
  // False when stopped meanwhile.
  bool Pause(std::chrono::milliseconds duration);

  const DiscoveryOptions options_;
  Agent& agent_;
  std::mutex mutex_;
  std::condition_variable stop_requested_;
  std::condition_variable hold_changed_;
  bool stopping_ = false;
  bool held_ = false;
  bool taking_ = false;
  grpc::ClientContext* context_ = nullptr;  // Of the stream that is open.
  Thread thread_;
};

}  // namespace apk

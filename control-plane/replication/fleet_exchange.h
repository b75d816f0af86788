// What agents tell the control planes that they are connected to, told to all of them: a key for
// each agent, bound to its control plane's lease, so that what a dead one said goes with it.
// Thread-safe.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "control-plane/discovery/agent_registry.h"
#include "control-plane/store/etcd_client.h"
#include "control-plane/store/etcd_keys.h"

namespace apk {

class FleetExchange {
 public:
  // `replica`: this control plane's name among the others. Client and registry outlive it.
  FleetExchange(EtcdClient& client, EtcdKeys keys, std::string replica, AgentRegistry& registry)
      : client_(client),
        keys_(std::move(keys)),
        replica_(std::move(replica)),
        registry_(registry) {}

  // Writes what the own agents say and have not been quoted with yet. By one thread.
  absl::Status Publish(int64_t lease);
  // Another lease: everything is to be written again.
  void ForgetPublished() { published_.clear(); }

  // Reads what the others wrote, all of it.
  absl::Status Read();
  // Takes a change of it. Old ones, which Read knew already, do nothing.
  void Take(const EtcdEvent& event);
  // Hands what is known now to the registry.
  void Deliver();

 private:
  struct Said {
    int64_t revision = 0;  // Of etcd.
    bool gone = false;
    v1::AgentStatus status;
  };
  void Keep(const EtcdKeyValue& pair, bool gone);

  EtcdClient& client_;
  const EtcdKeys keys_;
  const std::string replica_;
  AgentRegistry& registry_;
  std::map<std::string, std::string> published_;  // By agent: bytes of its status.

  std::mutex mutex_;
  std::map<std::string, Said> elsewhere_;  // By key.
  int64_t read_at_ = 0;                    // Revision of etcd.
};

}  // namespace apk

// The HTTPS face of the Kubernetes API: connections on a thread of its own, requests, which may
// wait for the store, on a few others. Clients prove who they are by a user's certificate of the
// control plane's authority, as apkctl's do, or by a bearer token where those are taken; of who is
// nobody, or may not do it, the head of a request is read and no more.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "control-plane/access/limits.h"
#include "control-plane/admin/change_feed.h"
#include "control-plane/authentication/authenticator.h"
#include "control-plane/identity/identity.h"
#include "control-plane/identity/identity_watch.h"
#include "control-plane/kubernetes_api/kubernetes_api.h"

namespace apk {

class KubernetesServer {
 public:
  // Listens and serves until destroyed. Port 0 takes a free one. UNAVAILABLE where the port is
  // taken. `uses` has what outlives it.
  struct Uses {
    KubernetesApi& api;
    ChangeFeed& feed;
    IdentityWatch& identities;
    const Authenticator& authenticator;
    Limits& limits;
    size_t connections_per_address;  // At most, and at most half of what there may be.
  };
  static absl::StatusOr<std::unique_ptr<KubernetesServer>> Start(const Uses& uses,
                                                                 const Identity& identity,
                                                                 const std::string& address,
                                                                 uint16_t port);
  ~KubernetesServer();
  uint16_t port() const { return port_; }

 private:
  class Server;
  KubernetesServer() = default;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
};

}  // namespace apk

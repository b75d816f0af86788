// The HTTPS face of the Kubernetes API, on a thread of its own. Clients prove who they are by a
// user's certificate of the control plane's authority, as apkctl's do, or by a bearer token where
// those are taken.
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

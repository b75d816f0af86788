// The HTTPS face of the development token issuer, on a thread of its own. Loopback by default:
// clients come through the gateway.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "control-plane/identity/certificate_authority.h"
#include "control-plane/identity/token_issuer.h"

namespace apk {

class TokenServer {
 public:
  // Listens and serves until destroyed. Port 0 takes a free one. `issuer` outlives it.
  static absl::StatusOr<std::unique_ptr<TokenServer>> Start(const TokenIssuer& issuer,
                                                            const KeyPair& certificate,
                                                            const std::string& address,
                                                            uint16_t port);
  ~TokenServer();
  uint16_t port() const { return port_; }

 private:
  class Server;
  TokenServer() = default;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
};

}  // namespace apk

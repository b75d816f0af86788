// A gRPC port: its services, health and reflection, over TLS.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/identity/identity.h"

namespace grpc {
class Server;
class ServerCredentials;
class Service;
}  // namespace grpc

namespace apk {

class GrpcServer {
 public:
  // kVerified: nobody gets further than the handshake without a certificate of the authority.
  // kNone: anybody may ask, so that requests are small, few at a time, and connections short.
  enum class ClientCertificates { kVerified, kNone };
  // Serves until Shutdown. "127.0.0.1:7443"; port 0 takes a free one. The services outlive it.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const std::string& address, const Identity& identity, ClientCertificates clients,
      const std::vector<grpc::Service*>& services);
  ~GrpcServer();

  // Open calls get a few seconds, then they are cancelled.
  void Shutdown();
  uint16_t port() const { return port_; }  // That is really bound.

 private:
  GrpcServer() = default;
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // Asked at each handshake.
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
};

}  // namespace apk

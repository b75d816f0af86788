// A gRPC port: its services, health and reflection, over TLS.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/identity/identity.h"
#include "control-plane/server/connection_acceptor.h"
#include "control-plane/server/listen_address.h"
#include "control-plane/server/reloading_credentials.h"

namespace grpc {
class Server;
class ServerCredentials;
class Service;
namespace experimental {
class ExternalConnectionAcceptor;
class ServerInterceptorFactoryInterface;
}  // namespace experimental
}  // namespace grpc

namespace apk {

class GrpcServer {
 public:
  // kVerified: nobody gets further than the handshake without a certificate of the authority.
  // kAccepted: whoever shows one shows a good one; the judge says what others may.
  // kNone: anybody may ask, so that requests are small, few at a time, and connections short.
  enum class ClientCertificates { kVerified, kAccepted, kNone };
  struct Options {
    ClientCertificates clients = ClientCertificates::kVerified;
    CallJudge judge;  // May be empty.
    // Gives what counts the calls of the server; may be empty.
    std::function<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>()> counter;
    ConnectionLimits connections = AffordableConnections();
    std::vector<grpc::Service*> services;  // They outlive it.
  };
  // Serves until Shutdown. Port 0 takes a free one.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const ListenAddress& address,
                                                           const Identity& identity,
                                                           const Options& options);
  ~GrpcServer();

  // Open calls get a few seconds, then they are cancelled.
  void Shutdown();
  uint16_t port() const { return acceptor_->port(); }  // That is really bound.

 private:
  GrpcServer() = default;
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // Asked at each handshake.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> taker_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;  // Gives connections to the taker.
};

}  // namespace apk

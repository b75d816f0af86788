// Limits that gRPC 1.51 leaves to its user are set here.
#include "control-plane/server/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/support/server_interceptor.h>

#include <chrono>

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr int kMessageBytesMax = 64 << 20;
constexpr int kUsersThreadsMax = 256;
// Of those who show no certificate.
constexpr int kStrangersMessageBytesMax = 64 << 10;
constexpr int kStrangersThreadsMax = 16;
constexpr size_t kStrangersBytesMax = 64 << 20;

using ClientCertificates = GrpcServer::ClientCertificates;

std::shared_ptr<grpc::ServerCredentials> Credentials(const Identity& identity,
                                                     const GrpcServer::Options& options) {
  ReloadingTls tls;
  tls.judge = options.judge;
  tls.certificate = identity.server;
  tls.trust = identity.trust;
  tls.clients = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  if (options.clients == ClientCertificates::kAccepted) {
    tls.clients = GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  if (options.clients == ClientCertificates::kNone) {
    tls.clients = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    // Who knows no more of the authority than a hash must be shown it.
    tls.show_anchors = true;
  }
  return ReloadingCredentials(std::move(tls));
}

// Reflection, which is part of every server of the process: each stream of it holds a thread.
class WithoutPlugins final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->clear();
  }
};

// Calls that wait hold a thread each: watches, and answers that nobody reads. Beyond that calls are
// refused; agents' streams hold none.
void LimitThreads(grpc::ServerBuilder& builder) {
  grpc::ResourceQuota quota("users");
  quota.SetMaxThreads(kUsersThreadsMax);
  builder.SetResourceQuota(quota);
}

void LimitStrangers(grpc::ServerBuilder& builder) {
  builder.SetOption(std::make_unique<WithoutPlugins>());
  grpc::ResourceQuota quota("strangers");
  quota.SetMaxThreads(kStrangersThreadsMax).Resize(kStrangersBytesMax);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kStrangersMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 4);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 5'000);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const ListenAddress& address,
                                                              const Identity& identity,
                                                              const Options& options) {
  const bool verified = options.clients != ClientCertificates::kNone;
  grpc::EnableDefaultHealthCheckService(verified);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer());
  ASSIGN_OR_RETURN(server->acceptor_, ConnectionAcceptor::Listen(address, options.connections));
  server->credentials_ = Credentials(identity, options);
  server->taker_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      server->credentials_);
  for (grpc::Service* const service : options.services) builder.RegisterService(service);
  builder.SetMaxSendMessageSize(-1);
  if (verified) {
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
    LimitThreads(builder);
    if (options.clients ==
        ClientCertificates::kAccepted) {  // Anybody may hold one, but not for ever.
      builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 60'000);
    }
    if (options.counter) {
      std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> counters;
      counters.push_back(options.counter());
      builder.experimental().SetInterceptorCreators(std::move(counters));
    }
  } else {
    LimitStrangers(builder);
  }
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  // A fleet that comes back at once keeps this machine and others busy for some seconds.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::UnavailableError(Concat("can't serve on ", address.ToString()));
  }
  server->acceptor_->Start([taker = server->taker_.get()](int socket) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = socket;
    taker->HandleNewConnection(&connection);
  });
  return server;
}

void GrpcServer::Shutdown() {
  if (acceptor_ != nullptr) acceptor_->Stop();
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  server_->Wait();
}

GrpcServer::~GrpcServer() { Shutdown(); }

}  // namespace apk

// Limits that gRPC 1.51 leaves to its user are set here.
#include "control-plane/server/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>

#include <chrono>

#include "common/strings.h"
#include "control-plane/server/reloading_credentials.h"

namespace apk {
namespace {

constexpr int kMessageBytesMax = 64 << 20;
// Of those who show no certificate.
constexpr int kStrangersMessageBytesMax = 64 << 10;
constexpr int kStrangersThreadsMax = 16;
constexpr size_t kStrangersBytesMax = 64 << 20;

using ClientCertificates = GrpcServer::ClientCertificates;

std::shared_ptr<grpc::ServerCredentials> Credentials(const Identity& identity,
                                                     ClientCertificates clients) {
  ReloadingTls tls;
  tls.certificate = identity.server;
  tls.trust_pem = identity.trust_pem;
  tls.clients = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  if (clients == ClientCertificates::kNone) {
    tls.clients = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    // Who knows no more of the authority than a hash must be shown it.
    tls.chain_end = identity.anchor_pem;
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

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const std::string& address, const Identity& identity, ClientCertificates clients,
    const std::vector<grpc::Service*>& services) {
  const bool verified = clients == ClientCertificates::kVerified;
  grpc::EnableDefaultHealthCheckService(verified);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer());
  server->credentials_ = Credentials(identity, clients);
  builder.AddListeningPort(address, server->credentials_, &port);
  for (grpc::Service* const service : services) builder.RegisterService(service);
  builder.SetMaxSendMessageSize(-1);
  if (verified) {
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  } else {
    LimitStrangers(builder);
  }
  // Without this two control planes would share a port and take turns.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // A fleet that comes back at once keeps this machine and others busy for some seconds.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr || port == 0) {
    return absl::UnavailableError(Concat(
        "can't listen on ", address, ": the port is taken or the address is not of this machine"));
  }
  server->port_ = static_cast<uint16_t>(port);
  return server;
}

void GrpcServer::Shutdown() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
  server_->Wait();
}

GrpcServer::~GrpcServer() { Shutdown(); }

}  // namespace apk

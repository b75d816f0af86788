// The stream itself; gRPC stays in here.
#include "data-plane/agent/discovery_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <random>

#include "apk/v1/discovery.grpc.pb.h"
#include "common/log.h"
#include "data-plane/agent/traffic_reporter.h"

namespace apk {
namespace {

constexpr int kMessageBytesMax = 256 << 20;
constexpr std::chrono::milliseconds kFirstPause{200};
constexpr std::chrono::milliseconds kLongestPause{5'000};
constexpr std::chrono::milliseconds kConnect{5'000};
constexpr std::chrono::milliseconds kNoIdentityYet{50};

grpc::ChannelArguments ChannelArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Waiting is done here, with jitter: a fleet must not come back in step.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(kConnect.count()));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return arguments;
}

}  // namespace

void DiscoveryClient::Start() {
  thread_ = Thread("discovery", 0, [this] { Run(); });
}

void DiscoveryClient::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  stop_requested_.notify_all();
  thread_.Join();
}

bool DiscoveryClient::Pause(std::chrono::milliseconds duration) {
  std::unique_lock lock(mutex_);
  return !stop_requested_.wait_for(lock, duration, [this] { return stopping_; });
}

void DiscoveryClient::Run() {
  std::minstd_rand random(std::random_device{}());
  const std::vector<std::string>& control_planes = options_.control_planes;
  // A fleet spreads over them.
  size_t index = std::uniform_int_distribution<size_t>(0, control_planes.size() - 1)(random);
  size_t failed = 0;  // In a row.
  std::chrono::milliseconds longest = kFirstPause;
  for (;;) {
    const std::optional<TlsIdentity> identity = options_.identity();
    if (!identity.has_value()) {
      if (!Pause(kNoIdentityYet)) return;
      continue;
    }
    if (RunStream(control_planes[index], *identity)) {
      longest = kFirstPause;
      failed = 0;
    }
    index = (index + 1) % control_planes.size();
    std::uniform_int_distribution<int64_t> jitter(0, longest.count());
    if (!Pause(std::chrono::milliseconds(50 + jitter(random)))) return;
    // Longer only when all of them were tried.
    if (++failed % control_planes.size() == 0) longest = std::min(longest * 2, kLongestPause);
  }
}

bool DiscoveryClient::RunStream(const std::string& control_plane, const TlsIdentity& identity) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = identity.ca_pem;
  tls.pem_cert_chain = identity.certificate_pem;
  tls.pem_private_key = identity.key_pem;
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(control_plane, grpc::SslCredentials(tls), ChannelArguments());
  const auto stub = v1::DiscoveryService::NewStub(channel);
  grpc::ClientContext context;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    context_ = &context;
  }
  const auto stream = stub->Stream(&context);
  v1::DiscoveryRequest hello;
  *hello.mutable_agent() = options_.agent;
  hello.set_version(agent_.version());
  hello.set_revision(agent_.revision());
  hello.set_store(agent_.store());
  hello.set_can_tell_held(true);
  hello.set_knows_rollouts(true);
  std::mutex writing;  // One at a time.
  const auto write = [&](const v1::DiscoveryRequest& request) {
    const std::lock_guard lock(writing);
    return stream->Write(request);
  };
  TrafficReporter reporter([&] { return agent_.traffic(); },
                           [&](const v1::Traffic& traffic) {
                             v1::DiscoveryRequest request;
                             *request.mutable_traffic() = traffic;
                             write(request);
                           });
  bool alive = write(hello);
  bool received = false;
  v1::DiscoveryResponse response;
  while (alive && stream->Read(&response)) {
    if (agent_.IsOlder(response)) {
      LogWarning(
          "a control plane that is behind was left",
          {{"control_plane", control_plane}, {"revision", std::to_string(response.revision())}});
      context.TryCancel();
      break;
    }
    received = true;
    if (response.has_traffic_reporting()) {
      reporter.Every(std::chrono::milliseconds(response.traffic_reporting().every_ms()));
    } else {
      alive = write(agent_.Take(response));
    }
  }
  reporter.Stop();
  const grpc::Status status = stream->Finish();
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
  if (!stopping_) {
    const bool serving = !agent_.version().empty();
    LogWarning(serving ? "no control plane, serving on" : "no control plane, nothing to serve yet",
               {{"control_plane", control_plane}, {"reason", status.error_message()}});
  }
  return received;
}

}  // namespace apk

// The stream itself; gRPC stays in here.
#include "data-plane/agent/discovery_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <random>

#include "apk/v1/discovery.grpc.pb.h"
#include "common/discovery_fields.h"
#include "common/log.h"
#include "common/strings.h"
#include "data-plane/agent/response_parts.h"
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
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);  // It may be busy with a fleet.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Waiting is done here, with jitter: a fleet must not come back in step.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(kConnect.count()));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return arguments;
}

// It is there, and says no.
bool IsRefusal(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::PERMISSION_DENIED ||
         status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         status.error_code() == grpc::StatusCode::ALREADY_EXISTS;
}

std::string ReasonOf(const grpc::Status& status, const TlsIdentity& identity) {
  if (!identity.certificate_pem.empty()) return status.error_message();
  return Concat(
      "this agent has no certificate: give it a join token (apkctl agents token create, "
      "--join-token-file), or one that was issued for it (apk-control-plane issue-certificate "
      "--agent, --cert and --key); ",
      status.error_message());
}

}  // namespace

void DiscoveryClient::Start() {
  stopping_ = false;  // There is no thread.
  thread_ = Thread("discovery", 0, [this] { Run(); });
}

void DiscoveryClient::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  stop_requested_.notify_all();
  hold_changed_.notify_all();
  thread_.Join();
}

void DiscoveryClient::Hold() {
  std::unique_lock lock(mutex_);
  held_ = true;
  hold_changed_.wait(lock, [this] { return !taking_; });
}

void DiscoveryClient::Release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  hold_changed_.notify_all();
}

bool DiscoveryClient::BeginToTake() {
  std::unique_lock lock(mutex_);
  hold_changed_.wait(lock, [this] { return !held_ || stopping_; });
  taking_ = !stopping_;
  return taking_;
}

void DiscoveryClient::EndTaking() {
  const std::lock_guard lock(mutex_);
  taking_ = false;
  hold_changed_.notify_all();
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
  bool alive = write(agent_.Hello(options_.agent));
  if (alive) stream->WaitForInitialMetadata();
  bool let_in = alive && context.GetServerInitialMetadata().contains(kLetInField);
  if (let_in) LogInfo("a control plane answers", {{"control_plane", control_plane}});
  ResponseParts parts;
  v1::DiscoveryResponse message;
  while (alive && stream->Read(&message)) {
    if (message.has_traffic_reporting()) {
      reporter.Every(std::chrono::milliseconds(message.traffic_reporting().every_ms()));
      continue;
    }
    const auto taken = parts.Add(std::move(message));
    if (!taken.ok()) {
      LogWarning(
          "a control plane that sends nonsense was left",
          {{"control_plane", control_plane}, {"reason", std::string(taken.status().message())}});
      context.TryCancel();
      break;
    }
    if (!taken->has_value()) continue;
    const v1::DiscoveryResponse& response = **taken;
    if (agent_.IsOlder(response)) {
      LogWarning(
          "a control plane that is behind was left",
          {{"control_plane", control_plane}, {"revision", std::to_string(response.revision())}});
      context.TryCancel();
      break;
    }
    let_in = true;  // An older one does not say so.
    if (!BeginToTake()) break;
    const v1::DiscoveryRequest answer = agent_.Take(response);
    EndTaking();
    alive = write(answer);
  }
  reporter.Stop();
  const grpc::Status status = stream->Finish();
  const std::lock_guard lock(mutex_);
  context_ = nullptr;
  if (!stopping_) {
    LogWarning(Concat(IsRefusal(status) ? "the control plane does not let this agent in, "
                                        : "no control plane, ",
                      agent_.version().empty() ? "nothing to serve yet" : "serving on"),
               {{"control_plane", control_plane}, {"reason", ReasonOf(status, identity)}});
  }
  return let_in;
}

}  // namespace apk

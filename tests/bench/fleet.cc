// Many agents in one process: each has its connection, mutual TLS and stream, and acknowledges at
// once what it is sent, without serving it. For benchmarks only.
//
//     fleet CONTROL_PLANE PKI_DIRECTORY AGENTS
//
// Prints a line when all are connected and hold a snapshot, and one for each version that all have
// acknowledged: `acknowledged VERSION REVISION FIRST LAST BYTES`, first and last receipt in seconds
// of the monotonic clock, bytes of all responses of that version.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "apk/v1/discovery.grpc.pb.h"

namespace apk {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// Who has acknowledged what. Thread-safe.
class Tally {
 public:
  explicit Tally(int agents) : agents_(agents) {}

  void Count(const v1::DiscoveryResponse& response) {
    const double now = Seconds();
    const std::lock_guard lock(mutex_);
    Version& version = versions_[response.version()];
    if (version.count++ == 0) version.first = now;
    version.last = std::max(version.last, now);
    version.bytes += response.ByteSizeLong();
    if (version.count < agents_) return;
    std::printf("acknowledged %s %llu %.6f %.6f %zu\n", response.version().c_str(),
                static_cast<unsigned long long>(response.revision()), version.first, version.last,
                version.bytes);
    std::fflush(stdout);
  }

 private:
  struct Version {
    int count = 0;
    double first = 0;
    double last = 0;
    size_t bytes = 0;
  };
  const int agents_;
  std::mutex mutex_;
  std::unordered_map<std::string, Version> versions_;
};

class FleetAgent final
    : public grpc::ClientBidiReactor<v1::DiscoveryRequest, v1::DiscoveryResponse> {
 public:
  FleetAgent(const std::string& control_plane, const grpc::SslCredentialsOptions& tls, int number,
             Tally& tally)
      : tally_(tally) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
    arguments.SetMaxReceiveMessageSize(256 << 20);
    stub_ = v1::DiscoveryService::NewStub(
        grpc::CreateCustomChannel(control_plane, grpc::SslCredentials(tls), arguments));
    context_.set_wait_for_ready(true);
    stub_->async()->Stream(&context_, this);
    v1::AgentInfo& agent = *request_.mutable_agent();
    agent.set_id("fleet-" + std::to_string(number));
    agent.set_address("127.0.0.1");
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    tally_.Count(response_);
    request_.Clear();
    request_.set_response_nonce(response_.nonce());
    request_.set_version(response_.version());
    request_.set_revision(response_.revision());
    StartWrite(&request_);
  }
  // At most one response is in flight: the next one is read when this one is answered.
  void OnWriteDone(bool ok) override {
    if (ok && !request_.response_nonce().empty()) StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    std::fprintf(stderr, "an agent's stream ended: %s\n", status.error_message().c_str());
    std::_Exit(1);
  }

 private:
  Tally& tally_;
  std::unique_ptr<v1::DiscoveryService::Stub> stub_;
  grpc::ClientContext context_;
  v1::DiscoveryRequest request_;
  v1::DiscoveryResponse response_;
};

}  // namespace
}  // namespace apk

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string pki = argv[2];
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = apk::Contents(pki + "/ca.crt");
  tls.pem_cert_chain = apk::Contents(pki + "/agent.crt");
  tls.pem_private_key = apk::Contents(pki + "/agent.key");
  const int count = std::atoi(argv[3]);
  apk::Tally tally(count);
  std::deque<std::unique_ptr<apk::FleetAgent>> agents;
  for (int number = 0; number < count; ++number) {
    agents.push_back(std::make_unique<apk::FleetAgent>(argv[1], tls, number, tally));
  }
  std::getchar();  // Until its input ends.
  std::_Exit(0);
}

// Many agents in one process: each has its connection, mutual TLS and stream, and acknowledges at
// once what it is sent, without serving it. One that is cut off comes back with jitter and names
// the version that it holds, as real ones do. For benchmarks and tests only.
//
//     bench_fleet CONTROL_PLANE PKI_DIRECTORY AGENTS [PREFIX [REFUSED [unnamed]]]
//
// Snapshots with a resource that has the bytes REFUSED in it are refused, and that resource named
// unless it is to be unnamed; `refused AGENT VERSION SECONDS` is printed for each.
// Prints a line each time that all have acknowledged one version: `acknowledged VERSION REVISION
// FIRST LAST BYTES`, first and last receipt in seconds of the monotonic clock, bytes of all
// responses of that version. For a line on its input it prints `total STREAMS OPEN RESPONSES MOST
// BYTES`: streams begun and open now, responses (of whatever many parts) and the most of one agent,
// bytes of all of them; counted since the line before.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

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
  explicit Tally(size_t agents) : agents_(agents), held_(agents), responses_(agents) {}

  void Began() {
    const std::lock_guard lock(mutex_);
    ++streams_;
    ++open_;
  }
  void Ended() {
    const std::lock_guard lock(mutex_);
    --open_;
  }

  // `bytes`: of all parts.
  void Count(size_t agent, const v1::DiscoveryResponse& response, size_t bytes) {
    const double now = Seconds();
    const std::lock_guard lock(mutex_);
    ++responses_[agent];
    bytes_ += bytes;
    // A version may come again.
    const auto before = versions_.find(held_[agent]);
    if (before != versions_.end() && --before->second.count == 0) versions_.erase(before);
    held_[agent] = response.version();
    Version& version = versions_[response.version()];
    if (version.count++ == 0) version.first = now;
    version.last = std::max(version.last, now);
    version.bytes += bytes;
    if (version.count != agents_) return;
    std::printf("acknowledged %s %llu %.6f %.6f %zu\n", response.version().c_str(),
                static_cast<unsigned long long>(response.revision()), version.first, version.last,
                version.bytes);
    std::fflush(stdout);
  }

  void Refuse(const std::string& agent, const v1::DiscoveryResponse& response) {
    const std::lock_guard lock(mutex_);
    std::printf("refused %s %s %.6f\n", agent.c_str(), response.version().c_str(), Seconds());
    std::fflush(stdout);
  }

  void Print() {
    const std::lock_guard lock(mutex_);
    size_t sum = 0;
    for (const size_t count : responses_) sum += count;
    std::printf("total %zu %zu %zu %zu %zu\n", streams_, open_, sum,
                *std::max_element(responses_.begin(), responses_.end()), bytes_);
    std::fflush(stdout);
    std::fill(responses_.begin(), responses_.end(), 0);
    streams_ = bytes_ = 0;
  }

 private:
  struct Version {
    size_t count = 0;
    double first = 0;
    double last = 0;
    size_t bytes = 0;
  };
  const size_t agents_;
  std::mutex mutex_;
  std::unordered_map<std::string, Version> versions_;
  std::vector<std::string> held_;  // Version, of each agent.
  std::vector<size_t> responses_;  // Of each agent.
  size_t streams_ = 0;
  size_t open_ = 0;
  size_t bytes_ = 0;
};

// Calls functions later, on a thread of its own.
class Later {
 public:
  Later() : thread_([this] { Run(); }) { thread_.detach(); }

  void In(std::chrono::milliseconds delay, std::function<void()> function) {
    const std::lock_guard lock(mutex_);
    due_.emplace(std::chrono::steady_clock::now() + delay, std::move(function));
    changed_.notify_one();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (due_.empty()) {
        changed_.wait(lock);
      } else if (const auto at = due_.begin()->first; at > std::chrono::steady_clock::now()) {
        changed_.wait_until(lock, at);
      } else {
        const std::function<void()> function = std::move(due_.begin()->second);
        due_.erase(due_.begin());
        lock.unlock();
        function();
        lock.lock();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> due_;
  std::thread thread_;
};

struct Fleet {
  std::string control_plane;
  std::string prefix;
  grpc::SslCredentialsOptions tls;
  Tally& tally;
  std::string refused = {};  // "": nothing is.
  bool names = true;
  Later later = {};
};

// Lives as long as the process.
class FleetAgent {
 public:
  FleetAgent(Fleet& fleet, size_t number) : fleet_(fleet), number_(number), random_(number) {}

  void Dial() { stream_ = std::make_unique<Stream>(*this); }

 private:
  class Stream final : public grpc::ClientBidiReactor<v1::DiscoveryRequest, v1::DiscoveryResponse> {
   public:
    explicit Stream(FleetAgent& agent) : agent_(agent) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
      arguments.SetMaxReceiveMessageSize(256 << 20);
      stub_ = v1::DiscoveryService::NewStub(grpc::CreateCustomChannel(
          agent.fleet_.control_plane, grpc::SslCredentials(agent.fleet_.tls), arguments));
      v1::AgentInfo& info = *request_.mutable_agent();
      info.set_id(agent.fleet_.prefix + std::to_string(agent.number_));
      info.set_address("127.0.0.1");
      request_.set_version(agent.version_);
      request_.set_revision(agent.revision_);
      request_.set_can_take_parts(true);
      agent.fleet_.tally.Began();
      stub_->async()->Stream(&context_, this);
      StartWrite(&request_);
      StartCall();
    }

    void OnReadDone(bool ok) override {
      if (!ok) return;
      bytes_ += response_.ByteSizeLong();
      Judge();
      if (response_.more_follows()) return StartRead(&response_);
      agent_.pause_ = std::chrono::milliseconds(200);
      if (!refusal_.error().empty()) return Refuse();
      agent_.version_ = response_.version();
      agent_.revision_ = response_.revision();
      agent_.fleet_.tally.Count(agent_.number_, response_, std::exchange(bytes_, 0));
      request_.Clear();
      request_.set_response_nonce(response_.nonce());
      request_.set_version(response_.version());
      request_.set_revision(response_.revision());
      StartWrite(&request_);
    }
    // At most one response is in flight: the next one is read when this one is answered.
    void OnWriteDone(bool ok) override {
      if (ok) StartRead(&response_);
    }
    void OnDone(const grpc::Status&) override {
      agent_.fleet_.tally.Ended();
      agent_.ComeBack();
    }

   private:
    void Judge() {
      if (agent_.fleet_.refused.empty()) return;
      for (const v1::SnapshotResource& resource : response_.resources()) {
        if (resource.SerializeAsString().find(agent_.fleet_.refused) == std::string::npos) continue;
        refusal_.set_error("it has " + agent_.fleet_.refused);
        if (!agent_.fleet_.names) continue;
        v1::ResourceError& error = *refusal_.add_resource_errors();
        error.set_name(resource.name());
        error.set_message(refusal_.error());
      }
    }
    void Refuse() {
      bytes_ = 0;
      agent_.fleet_.tally.Refuse(agent_.fleet_.prefix + std::to_string(agent_.number_), response_);
      request_ = std::exchange(refusal_, {});
      request_.set_response_nonce(response_.nonce());
      request_.set_version(agent_.version_);
      request_.set_revision(agent_.revision_);
      StartWrite(&request_);
    }

    FleetAgent& agent_;
    std::unique_ptr<v1::DiscoveryService::Stub> stub_;
    grpc::ClientContext context_;
    v1::DiscoveryRequest request_;
    v1::DiscoveryRequest refusal_;  // What is wrong with the parts so far.
    v1::DiscoveryResponse response_;
    size_t bytes_ = 0;  // Of the parts so far.
  };

  void ComeBack() {
    std::uniform_int_distribution<int64_t> jitter(0, pause_.count());
    const std::chrono::milliseconds delay(50 + jitter(random_));
    pause_ = std::min(pause_ * 2, std::chrono::milliseconds(5000));
    fleet_.later.In(delay, [this] { Dial(); });
  }

  Fleet& fleet_;
  const size_t number_;
  std::minstd_rand random_;
  std::string version_;
  uint64_t revision_ = 0;
  std::chrono::milliseconds pause_{200};
  std::unique_ptr<Stream> stream_;
};

}  // namespace
}  // namespace apk

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string pki = argv[2];
  const auto count = static_cast<size_t>(std::atoi(argv[3]));
  apk::Tally tally(count);
  apk::Fleet fleet{.control_plane = argv[1],
                   .prefix = argc > 4 ? argv[4] : "fleet-",
                   .tls = {.pem_root_certs = apk::Contents(pki + "/ca.crt"),
                           .pem_private_key = apk::Contents(pki + "/agent.key"),
                           .pem_cert_chain = apk::Contents(pki + "/agent.crt")},
                   .tally = tally,
                   .refused = argc > 5 ? argv[5] : "",
                   .names = argc <= 6};
  std::deque<apk::FleetAgent> agents;
  for (size_t number = 0; number < count; ++number) agents.emplace_back(fleet, number).Dial();
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') tally.Print();
  }
  std::_Exit(0);
}

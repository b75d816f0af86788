// A control plane over a real store, with agents that do what the test says.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "control-plane/rollout/rollout_control.h"
#include "control-plane/store/sqlite_log.h"

namespace apk {

inline constexpr char kAuthor[] = "test";

template <class Object>
Object Make(const std::string& api_version, const std::string& name) {
  Object object;
  object.set_api_version(api_version);
  object.set_kind(std::string(Object::descriptor()->name()));
  object.mutable_metadata()->set_name(name);
  return object;
}

inline v1::Gateway MakeGateway(const std::string& name, uint32_t port) {
  auto gateway = Make<v1::Gateway>("gateway.networking.k8s.io/v1", name);
  gateway.mutable_spec()->set_gateway_class_name("apk");
  v1::GatewayListener& listener = *gateway.mutable_spec()->add_listeners();
  listener.set_name("http");
  listener.set_port(port);
  listener.set_protocol("HTTP");
  return gateway;
}

// All of a control plane that is made anew where it is killed.
struct ControlPlane {
  explicit ControlPlane(const std::string& directory)
      : log(*SqliteLog::Open(directory + "/store.db")),
        configuration(*log, snapshots, agents, feed),
        book(*log),
        control(book, configuration, snapshots, agents) {
    EXPECT_TRUE(control.Load().ok());
    EXPECT_TRUE(configuration.Load().ok());
    control.Start();
  }

  std::unique_ptr<SqliteLog> log;
  SnapshotCache snapshots;
  AgentRegistry agents;
  ChangeFeed feed;
  Configuration configuration;
  RolloutBook book;
  RolloutControl control;
};

class RolloutControlTest : public testing::Test {
 protected:
  RolloutControlTest() {
    char pattern[] = "/tmp/apk-rollout-XXXXXX";
    directory_ = mkdtemp(pattern);
    Restart();
    ApplyFirst();
    Apply(MakeGateway("first", 8080));
    for (const char* const id : {"canary", "b", "c"}) Connect(id);
    Obey();
  }
  ~RolloutControlTest() override {
    plane_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Restart() {
    plane_.reset();
    plane_ = std::make_unique<ControlPlane>(directory_);
  }

  // What everything else needs.
  void ApplyFirst() {
    Apply(Make<v1::Namespace>("v1", "default"));
    auto of_ours = Make<v1::GatewayClass>("gateway.networking.k8s.io/v1", "apk");
    of_ours.mutable_spec()->set_controller_name("apk.dev/gateway-controller");
    Apply(of_ours);
  }
  void Apply(const google::protobuf::Message& object) {
    v1::ApplyRequest request;
    request.add_objects()->PackFrom(object);
    const auto response = plane_->configuration.Apply(request, kAuthor);
    ASSERT_TRUE(response.ok());
    ASSERT_FALSE(response->results().empty());
  }

  void SetPolicy(const std::string& selector, const std::string& soak,
                 const std::string& on_refusal = "") {
    v1::SetRolloutPolicyRequest request;
    v1::RolloutStage& stage = *request.mutable_policy()->add_stages();
    stage.set_selector(selector);
    stage.set_soak(soak);
    request.mutable_policy()->set_on_refusal(on_refusal);
    const auto set = plane_->control.SetPolicy(request, kAuthor);
    ASSERT_TRUE(set.ok()) << std::string(set.status().message());
  }

  static Labels LabelsOf(const std::string& id) {
    return id == "canary" ? Labels{{"tier", "canary"}} : Labels{};
  }
  std::string TargetOf(const std::string& id) const {
    return plane_->snapshots.For({.id = id, .labels = LabelsOf(id)})->version;
  }
  void Connect(const std::string& id) {
    v1::DiscoveryRequest hello;
    hello.mutable_agent()->set_id(id);
    hello.set_version(runs_[id]);
    hello.set_revision(revisions_[id]);
    ASSERT_TRUE(plane_->agents.Connect(hello, LabelsOf(id), ++streams_).ok());
  }
  // Each runs what it is given, unless it refuses that.
  void Obey() {
    for (auto& [id, version] : runs_) {
      const SnapshotPtr target = plane_->snapshots.For({.id = id, .labels = LabelsOf(id)});
      if (version == target->version || refused_.contains({id, target->version})) continue;
      given_[target->version].insert(id);
      v1::DiscoveryRequest answer = refuses_ ? refuses_(id, *target) : v1::DiscoveryRequest();
      if (!answer.error().empty()) {
        refused_.insert({id, target->version});
        plane_->agents.Reject(id, answer, target->version);
        continue;
      }
      version = target->version;
      answer.set_version(version);
      answer.set_revision(target->revision);
      revisions_[id] = target->revision;
      plane_->agents.Acknowledge(id, answer);
    }
  }

  template <class Condition>
  static bool Eventually(const Condition& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  bool Reaches(const std::string& state) {
    return Eventually([&] {
      Obey();
      return plane_->control.Status().rollout().state() == state;
    });
  }

  std::string directory_;
  std::unique_ptr<ControlPlane> plane_;
  uint64_t streams_ = 0;
  std::map<std::string, std::string> runs_;  // Version, by agent.
  std::map<std::string, uint64_t> revisions_;
  // An answer with an error where the agent refuses the snapshot.
  std::function<v1::DiscoveryRequest(const std::string&, const SharedSnapshot&)> refuses_;
  std::set<std::pair<std::string, std::string>> refused_;
  std::map<std::string, std::set<std::string>> given_;  // To whom, by version.
};

}  // namespace apk

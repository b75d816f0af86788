// Control planes and agents as the state machines that they are, on a network and a clock that are
// made up: one thread, one seed, always the same course. Control planes read the log late, streams
// break and lose what is under way, either side notices that late, processes are killed, agents
// refuse what they can't use. After each step what must never happen is looked for; at the end,
// when nothing is disturbed any more, every agent must run what is newest.
//
// Protocol names the two machines, so that a faulty one can be put in the place of either.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/snapshot_version.h"
#include "common/strings.h"
#include "data-plane/agent/discovery_session.h"
#include "tests/proof/plain_subscription.h"

namespace apk::proof {

struct RealProtocol {
  using ControlPlaneSide = PlainSubscription;
  using AgentSide = DiscoverySession;
};

template <class Protocol>
class DiscoverySimulation {
 public:
  explicit DiscoverySimulation(uint32_t seed) : random_(seed), colliding_(seed % 4 == 0) {
    contents_.push_back({});
    for (int i = 0; i < kControlPlanes; ++i) StartControlPlane(i);
    agents_.resize(kAgents);
    for (int i = 0; i < 3; ++i) Commit();
  }

  // "" where all went as it should.
  std::string Run() {
    for (int step = 0; step < kSteps && fault_.empty(); ++step) Disturb();
    for (int step = 0; step < kStepsToSettle && fault_.empty(); ++step) {
      if (Settle()) return CheckSettled();
    }
    return fault_.empty() ? "it does not come to rest" : fault_;
  }

  uint64_t snapshots_taken() const { return taken_; }
  uint64_t refusals() const { return refusals_; }
  uint64_t wholes_wanted() const { return wholes_wanted_; }

 private:
  static constexpr int kControlPlanes = 3;
  static constexpr int kAgents = 3;
  static constexpr int kResources = 7;
  static constexpr int kValues = 4;  // Of a resource; the last is one that agents refuse.
  static constexpr int kSteps = 250;
  static constexpr int kStepsToSettle = 5000;
  static constexpr char kStore[] = "store";

  using Content = std::map<std::string, int>;  // Values by name.

  struct ControlPlane {
    uint64_t revision = 0;
    SnapshotPtr newest;
    std::map<std::string, SharedResource> resources;  // By hash: shared as the translator does.
  };
  struct Agent {
    typename Protocol::AgentSide session;
    std::optional<v1::Snapshot> disk;
    int stream = -1;
  };
  struct Stream {
    int agent = 0;
    int control_plane = 0;
    std::deque<v1::DiscoveryRequest> up;
    std::deque<v1::DiscoveryResponse> down;
    bool open_there = true;  // As the control plane sees it.
    bool open_here = true;   // As the agent sees it.
    std::unique_ptr<typename Protocol::ControlPlaneSide> subscription;  // Once greeted.
    int unanswered = 0;
    std::string acknowledged;
    std::set<std::string> refused;
  };

  int Draw(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  void Fail(std::string what) {
    if (fault_.empty()) fault_ = std::move(what);
  }

  // The log.

  uint64_t Head() const { return contents_.size() - 1; }

  void Commit() {
    Content content = contents_.back();
    if (Draw(6) == 0) {
      content = contents_[static_cast<size_t>(Draw(static_cast<int>(contents_.size())))];
    } else if (Draw(6) != 0) {  // Else a revision that changes nothing for agents.
      const std::string name = Concat("r", std::to_string(Draw(kResources)));
      const int value = Draw(kValues + 1);
      content.erase(name);
      if (value < kValues) content[name] = value;
    }
    contents_.push_back(std::move(content));
  }

  SharedResource Make(ControlPlane& control_plane, const std::string& name, int value) const {
    ShortDigest digest;
    digest.Add(name);
    digest.Add(std::to_string(value));
    std::string hash = digest.Finish();
    // The half of it that agents tell may be the same.
    if (colliding_) hash.replace(0, 8, Concat("half-", name, "-").substr(0, 8));
    SharedResource& shared = control_plane.resources[hash];
    if (shared == nullptr) {
      auto resource = std::make_shared<v1::SnapshotResource>();
      resource->set_name(name);
      resource->set_hash(hash);
      resource->mutable_installation()->set_mirror_loop_key(std::to_string(value));
      shared = std::move(resource);
    }
    return shared;
  }

  SnapshotPtr Compile(ControlPlane& control_plane, uint64_t revision) const {
    auto snapshot = std::make_shared<SharedSnapshot>();
    SnapshotVersion version;
    for (const auto& [name, value] : contents_[revision]) {
      snapshot->resources.push_back(Make(control_plane, name, value));
      version.Add(name, snapshot->resources.back()->hash());
    }
    snapshot->version = version.Finish();
    snapshot->revision = revision;
    return snapshot;
  }

  // Control planes.

  void StartControlPlane(int number) {
    ControlPlane& control_plane = control_planes_[number];
    control_plane = {};
    control_plane.revision = Head();
    control_plane.newest = Compile(control_plane, Head());
  }

  void CatchUp(int number, uint64_t revision) {
    ControlPlane& control_plane = control_planes_[number];
    control_plane.revision = revision;
    const SnapshotPtr before = control_plane.newest;
    control_plane.newest = Compile(control_plane, revision);
    if (before->version == control_plane.newest->version) return;  // As SnapshotCache does.
    for (Stream& stream : streams_) {
      const bool told = stream.control_plane == number && stream.open_there;
      if (told && stream.subscription != nullptr) {
        Send(stream, stream.subscription->OnPublish(control_plane.newest));
      }
    }
  }

  void KillControlPlane(int number) {
    for (Stream& stream : streams_) {
      if (stream.control_plane == number) stream.open_there = false;
    }
    StartControlPlane(number);
  }

  void Send(Stream& stream, std::optional<v1::DiscoveryResponse> response) {
    if (!response.has_value()) return;
    if (++stream.unanswered > 1) Fail("two responses are in flight");
    if (!response->held_wanted()) {
      if (response->version() == stream.acknowledged) Fail("what the agent runs was sent again");
      if (stream.refused.contains(response->version()))
        Fail("what the agent refused was sent again");
    }
    stream.down.push_back(*std::move(response));
  }

  void ReceiveThere(Stream& stream) {
    const v1::DiscoveryRequest request = std::move(stream.up.front());
    stream.up.pop_front();
    const SnapshotPtr newest = control_planes_[stream.control_plane].newest;
    if (stream.subscription == nullptr) {
      auto subscription = std::make_unique<typename Protocol::ControlPlaneSide>(kStore);
      if (subscription->IsAhead(request, newest)) {
        stream.open_there = false;
        return;
      }
      stream.subscription = std::move(subscription);
      stream.acknowledged = request.version();
      return Send(stream, stream.subscription->OnHello(request, newest));
    }
    --stream.unanswered;
    const bool told = request.has_held();
    const bool refused = !request.error().empty();
    const auto answer = stream.subscription->OnAnswer(request);
    if (answer.stale) Fail("an answer was not known");
    if (!told && !refused) stream.acknowledged = request.version();
    if (refused && !request.whole_wanted()) stream.refused.insert(answer.version);
    Send(stream, answer.next);
  }

  // Agents.

  void Connect(int number) {
    agents_[number].stream = static_cast<int>(streams_.size());
    Stream stream;
    stream.agent = number;
    stream.control_plane = Draw(kControlPlanes);
    stream.up.push_back(agents_[number].session.Hello({}));
    streams_.push_back(std::move(stream));
  }

  void Leave(Agent& agent) {
    streams_[static_cast<size_t>(agent.stream)].open_here = false;
    agent.stream = -1;
  }

  void ReceiveHere(Stream& stream) {
    const v1::DiscoveryResponse response = std::move(stream.down.front());
    stream.down.pop_front();
    Agent& agent = agents_[stream.agent];
    if (agent.session.IsOlder(response)) return Leave(agent);
    stream.up.push_back(agent.session.Answer(
        response, [&](const v1::Snapshot& snapshot, v1::DiscoveryRequest& request) {
          PutInForce(agent, snapshot, request);
        }));
    if (stream.up.back().whole_wanted()) {
      ++wholes_wanted_;
      if (!colliding_) Fail("a difference was to something else than what the agent holds");
    }
  }

  void PutInForce(Agent& agent, const v1::Snapshot& snapshot, v1::DiscoveryRequest& request) {
    CheckContent(snapshot);
    for (const v1::SnapshotResource& resource : snapshot.resources()) {
      if (resource.installation().mirror_loop_key() != std::to_string(kValues - 1)) continue;
      request.set_error("refused");
      ++refusals_;
      return;
    }
    if (snapshot.revision() < agent.session.revision()) Fail("an agent went back");
    agent.session.Hold(snapshot);
    ++taken_;
    if (Draw(10) != 0) agent.disk = snapshot;  // Else the disk is full.
  }

  // What an agent is about to run was at that revision, all of it and nothing else.
  void CheckContent(const v1::Snapshot& snapshot) {
    if (snapshot.revision() > Head()) return Fail("a revision that there is not");
    Content content;
    for (const v1::SnapshotResource& resource : snapshot.resources()) {
      content[resource.name()] = std::stoi(resource.installation().mirror_loop_key());
    }
    if (content != contents_[snapshot.revision()]) {
      Fail(
          Concat("a snapshot that was not that of revision ", std::to_string(snapshot.revision())));
    }
  }

  void KillAgent(int number) {
    Agent& agent = agents_[number];
    if (agent.stream >= 0) Leave(agent);
    agent.session = {};
    if (agent.disk.has_value()) agent.session.Hold(*agent.disk);
  }

  // The network.

  Stream* AnyStream() {
    return streams_.empty()
               ? nullptr
               : &streams_[static_cast<size_t>(Draw(static_cast<int>(streams_.size())))];
  }

  void Disturb() {
    const int choice = Draw(100);
    const int control_plane = Draw(kControlPlanes);
    const int agent = Draw(kAgents);
    if (choice < 12) return Commit();
    if (choice < 24) {
      const uint64_t revision = control_planes_[control_plane].revision;
      const auto behind = static_cast<int>(Head() - revision);
      if (behind > 0) CatchUp(control_plane, revision + 1 + static_cast<uint64_t>(Draw(behind)));
      return;
    }
    if (choice < 26) return KillControlPlane(control_plane);
    if (choice < 28) return KillAgent(agent);
    if (choice < 31) {
      if (Stream* const stream = AnyStream()) Break(*stream);
      return;
    }
    if (choice < 34) {  // Also what was sent before the agent left.
      Stream* const stream = AnyStream();
      if (stream != nullptr && stream->open_there && !stream->up.empty()) ReceiveThere(*stream);
      return;
    }
    Go(agent);
  }

  // Nothing arrives any more.
  void Break(Stream& stream) {
    stream.up.clear();
    stream.down.clear();
    (Draw(2) == 0 ? stream.open_there : stream.open_here) = false;
    if (!stream.open_here &&
        agents_[stream.agent].stream == static_cast<int>(&stream - streams_.data())) {
      agents_[stream.agent].stream = -1;
    }
  }

  // Something that an agent or its stream has to do. False where there is nothing.
  bool Go(int number) {
    Agent& agent = agents_[number];
    if (agent.stream < 0) {
      Connect(number);
      return true;
    }
    Stream& stream = streams_[static_cast<size_t>(agent.stream)];
    const bool up = stream.open_there && !stream.up.empty();
    const bool down = !stream.down.empty();
    if (up && (!down || Draw(2) == 0)) {
      ReceiveThere(stream);
    } else if (down) {
      ReceiveHere(stream);
    } else if (!stream.open_there) {
      Leave(agent);
    } else {
      return false;
    }
    return true;
  }

  // True where nothing is left to do.
  bool Settle() {
    for (int i = 0; i < kControlPlanes; ++i) {
      if (control_planes_[i].revision < Head()) CatchUp(i, Head());
    }
    bool rests = true;
    for (int i = 0; i < kAgents; ++i) rests = !Go(i) && rests;
    return rests;
  }

  std::string CheckSettled() {
    const SnapshotPtr newest = control_planes_[0].newest;
    const Content& content = contents_.back();
    bool refused = false;
    for (const auto& [name, value] : content) refused = refused || value == kValues - 1;
    for (const Agent& agent : agents_) {
      if (refused || newest->version == agent.session.version()) continue;
      return "an agent does not run what is newest";
    }
    return fault_;
  }

  std::mt19937 random_;
  const bool colliding_;
  std::vector<Content> contents_;  // By revision.
  ControlPlane control_planes_[kControlPlanes];
  std::vector<Agent> agents_;
  std::vector<Stream> streams_;
  std::string fault_;
  uint64_t taken_ = 0;
  uint64_t refusals_ = 0;
  uint64_t wholes_wanted_ = 0;
};

}  // namespace apk::proof

// Fleets whose agents refuse what is bad, with a name or without: whatever is disturbed meanwhile,
// nobody outside of the first stage is ever given it, everything else gets to everybody, and
// nothing good is held back. What is stored is all that there is: each step is taken, and each
// snapshot made, of what was read back, as another control plane would. APK_PROOF_SEED and
// APK_PROOF_SEEDS: the first seed, and how many.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "apk/v1/core.pb.h"
#include "common/snapshot_version.h"
#include "common/strings.h"
#include "control-plane/rollout/bisection.h"
#include "control-plane/rollout/quarantine.h"
#include "control-plane/rollout/rollout.h"

namespace apk::proof {
namespace {

using Ids = google::protobuf::RepeatedField<uint64_t>;

constexpr char kBad[] = "bad";
constexpr int kKeys = 6;
constexpr size_t kAgents = 7;  // The first is the canary.
constexpr int kSteps = 300;
constexpr int kStepsToSettle = 400;

ResourceKey KeyNamed(const std::string& name) {
  return {.group = "", .kind = "ConfigMap", .namespace_name = "default", .name = name};
}

// What a control plane makes of resources: their values by name, and a version.
struct Snapshot {
  std::map<std::string, std::string> values;
  std::string version;
};

Snapshot Make(const ResourceSet& resources) {
  Snapshot snapshot;
  SnapshotVersion version;
  for (const v1::ConfigMap* const object : resources.All<v1::ConfigMap>()) {
    const std::string& value = object->data().at("value");
    snapshot.values[object->metadata().name()] = value;
    version.Add(object->metadata().name(), value);
  }
  snapshot.version = version.Finish();
  return snapshot;
}

struct Agent {
  bool connected = true;
  std::string runs;
  std::set<std::string> refused;  // Versions.
  std::string last_refused;
  std::vector<std::string> named;
};

class Simulation {
 public:
  explicit Simulation(uint32_t seed) : random_(seed), names_(seed % 2 == 0), odd_(seed % 3 == 0) {
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "stages {selector: 'tier=canary' soak: '1s'} stages {share: '60%'} timeout: '60s' "
        "on_refusal: 'Hold'",
        &policy_));
    log_.resize(2);  // There is no revision 0.
    for (int i = 0; i < kKeys; ++i) Put(Concat("key-", std::to_string(i)), "0");
    agents_.resize(kAgents);
    const Snapshot first = Make(log_.back());
    for (Agent& agent : agents_) agent.runs = first.version;
    state_.set_promoted_revision(Head());
  }

  // "" where all went as it should.
  std::string Run() {
    for (int step = 0; step < kSteps && fault_.empty(); ++step) {
      if (Draw(8) == 0) Commit();
      if (!odd_ && Draw(12) == 0) Disturb();
      Go();
    }
    for (Agent& agent : agents_) agent.connected = true;
    for (int step = 0; step < kStepsToSettle && fault_.empty(); ++step) Go();
    if (fault_.empty()) CheckSettled();
    return fault_;
  }

  int refusals = 0;
  int objects_held = 0;
  int searches = 0;

 private:
  int Draw(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  void Fail(std::string what) {
    if (fault_.empty()) fault_ = std::move(what);
  }
  uint64_t Head() const { return log_.size() - 1; }
  static std::string IdOf(size_t number) { return Concat("agent-", std::to_string(number)); }

  void Put(const std::string& name, const std::string& value) {
    auto object = std::make_shared<v1::ConfigMap>();
    object->mutable_metadata()->set_name(name);
    object->mutable_metadata()->set_namespace_("default");
    object->mutable_metadata()->set_resource_version(std::to_string(log_.size()));
    (*object->mutable_data())["value"] = value;
    log_.back().Put(std::move(object));
  }

  void Commit() {
    log_.push_back(log_.back());
    for (int changes = 1 + Draw(4); changes > 0; --changes) {
      const std::string name = Concat("key-", std::to_string(Draw(kKeys)));
      if (Draw(6) == 0) {
        log_.back().Remove(KeyNamed(name));
      } else {
        Put(name, Draw(4) == 0 ? Concat(kBad, std::to_string(Draw(3))) : std::to_string(Draw(50)));
      }
    }
  }

  void Disturb() {
    Agent& agent = agents_[static_cast<size_t>(Draw(kAgents))];
    agent.connected = !agent.connected;
    agent.last_refused.clear();  // Of its life before.
    agent.named.clear();
    if (!agent.connected) agent.refused.clear();
  }

  ResourceSet Resources(uint64_t revision, const Ids& ids) const {
    ResourceSet resources = log_[revision];
    HoldBackIn(resources, ObjectsOf(held_, ids));
    return resources;
  }
  Ids InForceIds() const {
    const std::vector<uint64_t> ids = IdsOf(InForce(held_));
    return {ids.begin(), ids.end()};
  }
  Snapshot Promoted() const {
    return Make(Resources(state_.promoted_revision(), state_.promoted_held()));
  }
  Snapshot Candidate() const { return Make(Resources(state_.revision(), state_.held())); }
  Snapshot Newest() const { return Make(Resources(Head(), InForceIds())); }
  Snapshot Tried() const {
    const v1::StoredBisection& search = held_.bisection();
    const ResourceSet before = Resources(search.base_revision(), search.base_held());
    const ResourceSet after = Resources(search.revision(), search.held());
    return Make(TriedOf(search, before, after, ChangesBetween(before, after)));
  }

  bool IsMember(size_t number) const {
    for (const v1::StoredRollout::Member& member : state_.members()) {
      if (member.agent() == AgentKey(IdOf(number))) return true;
    }
    return false;
  }
  Snapshot TargetOf(size_t number) const {
    if (held_.has_bisection() && held_.bisection().agent() == IdOf(number)) return Tried();
    return IsUnderWay(state_) && IsMember(number) ? Candidate() : Promoted();
  }

  // All that a step leaves is what is stored.
  void Store(v1::StoredRollout state, v1::StoredHeld held) {
    EXPECT_TRUE(state_.ParseFromString(state.SerializeAsString()));
    EXPECT_TRUE(held_.ParseFromString(held.SerializeAsString()));
  }

  void Go() {
    now_ms_ += Draw(400);
    Drive();
    for (size_t number = 0; number < kAgents; ++number) {
      if (agents_[number].connected && Draw(2) == 0) Deliver(number);
    }
  }

  void Deliver(size_t number) {
    Agent& agent = agents_[number];
    const Snapshot target = TargetOf(number);
    if (target.version == agent.runs || agent.refused.contains(target.version)) return;
    std::vector<std::string> bad;
    for (const auto& [name, value] : target.values) {
      if (value.starts_with(kBad)) bad.push_back(name);
    }
    if (!bad.empty() && number != 0) Fail(Concat(IdOf(number), " was given what is bad"));
    if (bad.empty() && !(odd_ && number == kAgents - 1)) {
      agent.runs = target.version;
      agent.last_refused.clear();
      return;
    }
    ++refusals;
    agent.refused.insert(target.version);
    agent.last_refused = target.version;
    agent.named = names_ ? bad : std::vector<std::string>();
  }

  RolloutView View() const {
    const Snapshot promoted = Promoted();
    const Snapshot candidate = Candidate();
    const Snapshot newest = Newest();
    RolloutView view{.now_ms = now_ms_,
                     .head_revision = Head(),
                     .newest_revision = Head(),
                     .newest_is_promoted = newest.version == promoted.version,
                     .newest_is_candidate = newest.version == candidate.version,
                     .held = IdsOf(InForce(held_)),
                     .agents = {}};
    for (size_t number = 0; number < kAgents; ++number) {
      const Agent& agent = agents_[number];
      if (!agent.connected) continue;
      RolloutAgent seen;
      seen.id = IdOf(number);
      if (number == 0) seen.labels["tier"] = "canary";
      seen.concerned = promoted.version != candidate.version;
      seen.runs_it = agent.runs == candidate.version;
      if (seen.concerned && agent.last_refused == candidate.version) {
        for (const std::string& name : agent.named) {
          v1::RolloutRefusal& refusal = seen.refusals.emplace_back();
          refusal.set_agent(seen.id);
          refusal.set_resource(name);
        }
        if (agent.named.empty()) seen.refusals.emplace_back().set_agent(seen.id);
      }
      view.agents.push_back(std::move(seen));
    }
    return view;
  }

  void Drive() {
    for (int steps = 0;; ++steps) {
      if (steps == 100) return Fail("it does not settle");
      if (held_.has_bisection()) {
        if (!StepSearch()) return;
        continue;
      }
      const auto next = Step(state_, policy_, View());
      v1::StoredHeld held_next = held_;
      if (!next.has_value()) {
        const std::vector<uint64_t> applying = HeldIn(log_.back(), InForce(held_));
        if (!Forget(state_, applying, now_ms_, held_next)) return;
        Store(state_, held_next);
        continue;
      }
      if (next->state() == v1::StoredRollout::FAILED && !next->refusals().empty()) {
        Blame(*next, held_next);
      }
      Store(*next, held_next);
    }
  }

  void Blame(const v1::StoredRollout& failed, v1::StoredHeld& next) {
    const ResourceSet before = Resources(failed.promoted_revision(), failed.promoted_held());
    const ResourceSet after = Resources(failed.revision(), failed.held());
    const std::vector<ResourceKey> changes = ChangesBetween(before, after);
    std::vector<RefusedObject> objects;
    for (const v1::RolloutRefusal& refusal : failed.refusals()) {
      if (refusal.resource().empty()) continue;
      objects.push_back(
          {.key = KeyNamed(refusal.resource()), .agent = refusal.agent(), .message = "no"});
    }
    if (!objects.empty()) return Hold(failed.revision(), before, after, objects, next);
    ++searches;
    v1::StoredBisection search;
    search.set_agent(failed.refusals(0).agent());
    search.set_base_revision(failed.promoted_revision());
    *search.mutable_base_held() = failed.promoted_held();
    search.set_revision(failed.revision());
    *search.mutable_held() = failed.held();
    search.set_changes(static_cast<uint32_t>(changes.size()));
    search.add_refused(Make(after).version);
    if (Begin(now_ms_, search)) return HoldFound(search, before, after, changes, next);
    *next.mutable_bisection() = search;
  }

  void HoldFound(const v1::StoredBisection& search, const ResourceSet& before,
                 const ResourceSet& after, const std::vector<ResourceKey>& changes,
                 v1::StoredHeld& next) {
    std::vector<RefusedObject> objects;
    for (const uint32_t number : search.found()) {
      objects.push_back({.key = changes[number], .agent = search.agent(), .message = "no"});
    }
    Hold(search.revision(), before, after, objects, next);
  }

  void Hold(uint64_t revision, const ResourceSet& before, const ResourceSet& after,
            const std::vector<RefusedObject>& objects, v1::StoredHeld& next) {
    for (const RefusedObject& object : objects) {
      const auto* const refused = after.Find<v1::ConfigMap>("default", object.key.name);
      const bool bad = refused != nullptr && refused->data().at("value").starts_with(kBad);
      if (!bad) Fail(Concat(object.key.name, " is held back, and nothing is wrong with it"));
    }
    if (!HoldBack({.revision = revision,
                   .accepted_revision = state_.promoted_revision(),
                   .resources = &after,
                   .accepted = &before},
                  objects, state_, HeldIn(log_.back(), InForce(held_)), now_ms_, next)) {
      Fail("it is too much");
    }
    objects_held += static_cast<int>(objects.size());
  }

  bool StepSearch() {
    v1::StoredHeld next = held_;
    v1::StoredBisection& search = *next.mutable_bisection();
    const Agent& agent = agents_[0];
    const std::string version = Tried().version;
    const bool accepted = agent.runs == version;
    if (search.returning()) {
      if (agent.connected && !accepted && !IsOver(search, now_ms_)) return false;
      const v1::StoredBisection ended = search;
      next.clear_bisection();
      if (!ended.given_up()) {
        const ResourceSet before = Resources(ended.base_revision(), ended.base_held());
        const ResourceSet after = Resources(ended.revision(), ended.held());
        HoldFound(ended, before, after, ChangesBetween(before, after), next);
      }
    } else {
      const bool known = std::count(search.refused().begin(), search.refused().end(), version) > 0;
      const bool answered = agent.connected && (accepted || known || agent.last_refused == version);
      if (!answered && !IsHopeless(search, now_ms_)) return false;
      if (answered && !accepted) search.add_refused(version);
      if (answered && Answered(accepted, search)) {
        Return(false, search);
      } else if (IsHopeless(search, now_ms_)) {
        Return(true, search);
      }
    }
    Store(state_, next);
    return true;
  }

  // Everybody runs what is newest without what is bad in it.
  void CheckSettled() {
    if (state_.state() == v1::StoredRollout::FAILED && held_.objects().empty()) return;
    const Snapshot newest = Newest();
    for (const auto& [name, value] : newest.values) {
      if (value.starts_with(kBad)) return CheckStopped();
    }
    for (size_t number = 0; number < kAgents; ++number) {
      const bool odd = odd_ && number == kAgents - 1;
      if (!odd && agents_[number].runs != newest.version) {
        Fail(Concat(IdOf(number), " does not run what is newest"));
      }
    }
    for (const v1::ConfigMap* const object : log_.back().All<v1::ConfigMap>()) {
      const std::string& value = object->data().at("value");
      const auto served = newest.values.find(object->metadata().name());
      const bool same = served != newest.values.end() && served->second == value;
      if (!same && !value.starts_with(kBad)) {
        Fail(Concat(object->metadata().name(), " is good and not delivered"));
      }
    }
  }

  // Only where the search was broken off, since its agent had gone.
  void CheckStopped() {
    if (names_ || odd_) Fail("what is bad is not held back");
  }

  std::mt19937 random_;
  const bool names_;
  const bool odd_;  // The last agent refuses everything; then all stay connected.
  v1::RolloutPolicy policy_;
  std::vector<ResourceSet> log_;  // By revision.
  v1::StoredRollout state_;
  v1::StoredHeld held_;
  std::vector<Agent> agents_;
  int64_t now_ms_ = 1'000'000;
  std::string fault_;
};

uint32_t NumberIn(const char* variable, uint32_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

TEST(QuarantineSimulation, OnlyTheFirstStageSeesWhatIsBadAndEverythingElseGetsThrough) {
  const uint32_t first = NumberIn("APK_PROOF_SEED", 1);
  const uint32_t count = NumberIn("APK_PROOF_SEEDS", 10);
  int refusals = 0;
  int held = 0;
  int searches = 0;
  for (uint32_t seed = first; seed < first + count; ++seed) {
    Simulation simulation(seed);
    ASSERT_EQ(simulation.Run(), "") << "seed " << seed;
    refusals += simulation.refusals;
    held += simulation.objects_held;
    searches += simulation.searches;
  }
  std::printf("%u courses: %d refusals, %d objects held back, %d searches\n", count, refusals, held,
              searches);
  if (count == 1) return;
  EXPECT_GT(held, static_cast<int>(count));
  EXPECT_GT(searches, static_cast<int>(count) / 4);
}

}  // namespace
}  // namespace apk::proof

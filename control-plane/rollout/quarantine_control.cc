// Rollouts say what is refused; what was accepted is what they have promoted.
#include "control-plane/rollout/quarantine_control.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "common/labels.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/rollout/agent_key.h"
#include "control-plane/rollout/bisection.h"
#include "control-plane/rollout/culprits.h"
#include "control-plane/rollout/rollout.h"

namespace apk {
namespace {

using Ids = google::protobuf::RepeatedField<uint64_t>;

constexpr size_t kNamesMax = 5;  // In a message.
constexpr char kNotNamed[] = "it refuses what comes of this object, without naming it";

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string TextOf(const std::vector<RefusedObject>& objects) {
  std::vector<std::string> names;
  for (const RefusedObject& object : objects) {
    if (names.size() < kNamesMax) names.push_back(object.key.ToString());
  }
  std::string text = Concat("held back: ", Join(names, ", "));
  if (objects.size() > kNamesMax) {
    text += Concat(" and ", std::to_string(objects.size() - kNamesMax), " more");
  }
  return text;
}

void LogHeld(const std::vector<RefusedObject>& objects, const RefusedChange& change) {
  for (const RefusedObject& object : objects) {
    LogWarning("an object is held back: agents refuse it",
               {{"object", object.key.ToString()},
                {"revision", std::to_string(change.revision)},
                {"accepted", std::to_string(change.accepted_revision)},
                {"agent", object.agent},
                {"reason", object.message}});
  }
}

// What is said of the object itself: what is said of others is for whoever may read those.
RefusedObject ObjectOf(const ResourceKey& key, const v1::StoredRollout& failed) {
  RefusedObject object{
      .key = key, .agent = failed.refusals(0).agent(), .message = std::string(kNotNamed)};
  for (const v1::RolloutRefusal& refusal : failed.refusals()) {
    if (ObjectNamed(refusal.resource()) != key) continue;
    object.agent = refusal.agent();
    object.message = refusal.message();
  }
  return object;
}

uint32_t AgentsIn(const v1::StoredRollout& failed) {
  std::set<std::string> agents;
  for (const v1::RolloutRefusal& refusal : failed.refusals()) agents.insert(refusal.agent());
  return static_cast<uint32_t>(agents.size());
}

std::string AboutOf(v1::StoredBisection bisection) {
  bisection.clear_found();
  bisection.clear_good();
  bisection.clear_bad();
  bisection.clear_tried();
  bisection.clear_refused();
  bisection.clear_returning();
  bisection.clear_given_up();
  return bisection.SerializeAsString();
}

}  // namespace

absl::StatusOr<ResourceSet> QuarantineControl::Resources(uint64_t revision, const Ids& ids,
                                                         const v1::StoredHeld& held) {
  if (revision == 0) return ResourceSet();  // Of an agent that has nothing yet.
  ASSIGN_OR_RETURN(ResourceSet resources, configuration_.ResourcesAt(revision));
  HoldBackIn(resources, ObjectsOf(held, ids));
  return resources;
}

std::vector<uint64_t> QuarantineControl::Applying(const v1::StoredHeld& held) const {
  if (held.objects().empty()) return {};
  return HeldIn(*configuration_.Current().resources, InForce(held));
}

std::vector<v1::HeldObject> QuarantineControl::Held(const RolloutPage& page) const {
  return ToProto(page.held, Applying(page.held));
}

std::map<ResourceKey, std::string> QuarantineControl::Reasons(const RolloutPage& page) const {
  std::map<ResourceKey, std::string> reasons;
  const std::vector<uint64_t> applying = Applying(page.held);
  for (const v1::StoredHeldObject& object : page.held.objects()) {
    if (std::find(applying.begin(), applying.end(), object.id()) == applying.end()) continue;
    reasons[HeldKey(object)] = WhyHeld(object);
  }
  return reasons;
}

void QuarantineControl::Follow(const RolloutPage& page) {
  configuration_.HoldBack(InForce(page.held));
  SetTrial(page.held);
}

// "" where it is too much.
std::string QuarantineControl::Hold(const RefusedChange& change,
                                    const std::vector<RefusedObject>& objects,
                                    const v1::StoredRollout& state, v1::StoredHeld& held) {
  if (!HoldBack(change, objects, state, Applying(held), NowMs(), held)) {
    LogError("too much is refused for objects to be held back one by one",
             {{"revision", std::to_string(change.revision)}});
    return "";
  }
  LogHeld(objects, change);
  return TextOf(objects);
}

std::string QuarantineControl::Blame(const v1::StoredRollout& failed, v1::StoredHeld& held) {
  const auto before = Resources(failed.promoted_revision(), failed.promoted_held(), held);
  const auto after = Resources(failed.revision(), failed.held(), held);
  if (!before.ok() || !after.ok()) return "";
  const std::vector<ResourceKey> changes = ChangesBetween(*before, *after);
  if (changes.empty()) return "";
  std::set<std::string> names;
  for (const v1::RolloutRefusal& refusal : failed.refusals()) names.insert(refusal.resource());
  names.erase("");
  const SnapshotPtr accepted =
      Translator().Translate(*before, {}, failed.promoted_revision(), "").snapshot->whole();
  const std::vector<ResourceKey> culprits =
      FindCulprits(names, *before, *after, changes, *accepted);
  if (!culprits.empty()) {
    const RefusedChange change{.revision = failed.revision(),
                               .accepted_revision = failed.promoted_revision(),
                               .rollout = failed.number(),
                               .agents = AgentsIn(failed),
                               .resources = &*after,
                               .accepted = &*before};
    std::vector<RefusedObject> objects;
    for (const ResourceKey& key : culprits) objects.push_back(ObjectOf(key, failed));
    return Hold(change, objects, failed, held);
  }
  v1::StoredBisection bisection;
  bisection.set_agent(failed.refusals(0).agent());
  bisection.set_base_revision(failed.promoted_revision());
  *bisection.mutable_base_held() = failed.promoted_held();
  bisection.set_revision(failed.revision());
  *bisection.mutable_held() = failed.held();
  bisection.set_rollout(failed.number());
  bisection.set_agents(AgentsIn(failed));
  bisection.set_changes(static_cast<uint32_t>(changes.size()));
  for (const v1::AgentStatus& status : agents_.Connected()) {
    const bool it = status.id() == bisection.agent() && !status.refused_version().empty();
    if (it) bisection.add_refused(status.refused_version());
  }
  if (Begin(NowMs(), bisection)) {
    return HoldFound(bisection, *before, *after, changes, failed, held);
  }
  *held.mutable_bisection() = std::move(bisection);
  return "what of it was searched for";
}

std::string QuarantineControl::HoldFound(const v1::StoredBisection& bisection,
                                         const ResourceSet& before, const ResourceSet& after,
                                         const std::vector<ResourceKey>& changes,
                                         const v1::StoredRollout& state, v1::StoredHeld& held) {
  const RefusedChange change{.revision = bisection.revision(),
                             .accepted_revision = bisection.base_revision(),
                             .rollout = bisection.rollout(),
                             .agents = bisection.agents(),
                             .resources = &after,
                             .accepted = &before};
  std::vector<RefusedObject> objects;
  for (const uint32_t number : bisection.found()) {
    objects.push_back({.key = changes[number], .agent = bisection.agent(), .message = kNotNamed});
  }
  return Hold(change, objects, state, held);
}

// The same on every control plane: whichever the agent is connected to sends it.
void QuarantineControl::SetTrial(const v1::StoredHeld& held) {
  if (!held.has_bisection()) {
    trial_.reset();
    return snapshots_.SetTrial({});
  }
  const v1::StoredBisection& bisection = held.bisection();
  if (const std::string about = AboutOf(bisection); !trial_.has_value() || trial_->about != about) {
    trial_.reset();
    auto before = Resources(bisection.base_revision(), bisection.base_held(), held);
    auto after = Resources(bisection.revision(), bisection.held(), held);
    if (!before.ok() || !after.ok()) return;
    trial_.emplace();
    trial_->about = about;
    trial_->before = *std::move(before);
    trial_->after = *std::move(after);
    trial_->changes = ChangesBetween(trial_->before, trial_->after);
  }
  const std::string tried = bisection.SerializeAsString();
  if (trial_->tried != tried) {
    ResourceSet resources = TriedOf(bisection, trial_->before, trial_->after, trial_->changes);
    trial_->tried = tried;
    const uint64_t revision =
        bisection.returning() ? bisection.base_revision() : bisection.revision();
    trial_->slices = Translator().Translate(std::move(resources), {}, revision, "").snapshot;
  }
  snapshots_.SetTrial({.agent = AgentKey(bisection.agent()), .slices = trial_->slices});
}

// The end of it: what was found is held back, unless it was given up.
v1::StoredHeld QuarantineControl::EndTrial(const RolloutPage& page) {
  v1::StoredHeld next = page.held;
  next.clear_bisection();
  const v1::StoredBisection& bisection = page.held.bisection();
  const bool known = trial_.has_value() && trial_->changes.size() == bisection.changes();
  const bool held =
      known && bisection.returning() && !bisection.given_up() &&
      !HoldFound(bisection, trial_->before, trial_->after, trial_->changes, page.state, next)
           .empty();
  if (!held) {
    LogWarning("what an agent refuses is not held back: the whole change has failed",
               {{"agent", bisection.agent()}, {"revision", std::to_string(bisection.revision())}});
  }
  return next;
}

std::optional<v1::StoredHeld> QuarantineControl::StepTrial(const RolloutPage& page) {
  v1::StoredHeld next = page.held;
  v1::StoredBisection& bisection = *next.mutable_bisection();
  const int64_t now_ms = NowMs();
  if (!trial_.has_value() || trial_->changes.size() != bisection.changes()) return EndTrial(page);
  const std::vector<v1::AgentStatus> agents = agents_.Connected();
  const auto agent = std::find_if(agents.begin(), agents.end(), [&](const auto& status) {
    return status.id() == bisection.agent();
  });
  std::string version;
  bool accepted = false;
  bool refused = false;
  if (agent != agents.end()) {
    version = trial_->slices->For(LabelsOf(agent->labels()))->version;
    accepted = agent->snapshot_version() == version;
    refused = agent->refused_version() == version;
  }
  if (bisection.returning()) {
    const bool ended = agent == agents.end() || accepted || IsOver(bisection, now_ms);
    return ended ? std::make_optional(EndTrial(page)) : std::nullopt;
  }
  const bool known =
      std::count(bisection.refused().begin(), bisection.refused().end(), version) > 0;
  if (accepted || refused || known) {
    if (!accepted && !known) bisection.add_refused(version);
    if (Answered(accepted, bisection)) {
      Return(false, bisection);
      return next;
    }
  }
  if (IsHopeless(bisection, now_ms)) {
    Return(true, bisection);
    return next;
  }
  return accepted || refused || known ? std::make_optional(next) : std::nullopt;
}

std::optional<v1::StoredHeld> QuarantineControl::Step(const RolloutPage& page) {
  if (page.held.has_bisection()) return StepTrial(page);
  if (page.held.objects().empty()) return std::nullopt;
  v1::StoredHeld next = page.held;
  if (!Forget(page.state, Applying(page.held), NowMs(), next)) return std::nullopt;
  return next;
}

}  // namespace apk

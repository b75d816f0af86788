// Where there are rollouts, they say what is refused. Otherwise the fleet is listened to here.
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

std::string Hold(const RefusedChange& change, const std::vector<RefusedObject>& objects,
                 v1::StoredHeld& held) {
  if (!HoldBack(change, objects, NowMs(), held)) {
    LogError("too much is refused for objects to be held back one by one",
             {{"revision", std::to_string(change.revision)}});
    return "";
  }
  LogHeld(objects, change);
  return TextOf(objects);
}

// What is said of the object itself, else what is said first.
RefusedObject ObjectOf(const ResourceKey& key, const std::vector<v1::RolloutRefusal>& refusals) {
  const v1::RolloutRefusal* about = &refusals.front();
  for (const v1::RolloutRefusal& refusal : refusals) {
    if (ObjectNamed(refusal.resource()) == key) about = &refusal;
  }
  return {.key = key, .agent = about->agent(), .message = about->message()};
}

std::string AboutOf(v1::StoredBisection bisection) {
  bisection.clear_found();
  bisection.clear_good();
  bisection.clear_bad();
  bisection.clear_tried();
  bisection.clear_tried_ms();
  bisection.clear_refused();
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

std::string QuarantineControl::Blame(const Refused& refused, v1::StoredHeld& held) {
  const auto before = Resources(refused.accepted_revision, refused.accepted_held, held);
  const auto after = Resources(refused.revision, refused.held, held);
  if (!before.ok() || !after.ok()) return "";
  const std::vector<ResourceKey> changes = ChangesBetween(*before, *after);
  if (changes.empty()) return "";
  std::set<std::string> names;
  for (const v1::RolloutRefusal& refusal : refused.refusals) names.insert(refusal.resource());
  names.erase("");
  const SnapshotPtr accepted =
      Translator().Translate(*before, {}, refused.accepted_revision, "").snapshot->whole();
  const std::vector<ResourceKey> culprits =
      FindCulprits(names, *before, *after, changes, *accepted);
  if (!culprits.empty()) {
    const RefusedChange change{.revision = refused.revision,
                               .accepted_revision = refused.accepted_revision,
                               .rollout = refused.rollout,
                               .agents = refused.agents,
                               .resources = &*after,
                               .accepted = &*before};
    std::vector<RefusedObject> objects;
    for (const ResourceKey& key : culprits) objects.push_back(ObjectOf(key, refused.refusals));
    return Hold(change, objects, held);
  }
  v1::StoredBisection bisection;
  bisection.set_agent(refused.refusals.front().agent());
  bisection.set_message(refused.refusals.front().message());
  bisection.set_base_revision(refused.accepted_revision);
  *bisection.mutable_base_held() = refused.accepted_held;
  bisection.set_revision(refused.revision);
  *bisection.mutable_held() = refused.held;
  bisection.set_rollout(refused.rollout);
  bisection.set_agents(refused.agents);
  bisection.set_changes(static_cast<uint32_t>(changes.size()));
  for (const v1::AgentStatus& status : agents_.Connected()) {
    const bool it = status.id() == bisection.agent() && !status.refused_version().empty();
    if (it) bisection.add_refused(status.refused_version());
  }
  if (Begin(NowMs(), bisection)) return HoldFound(bisection, *before, *after, changes, held);
  *held.mutable_bisection() = std::move(bisection);
  return "what of it is searched for";
}

std::string QuarantineControl::HoldFound(const v1::StoredBisection& bisection,
                                         const ResourceSet& before, const ResourceSet& after,
                                         const std::vector<ResourceKey>& changes,
                                         v1::StoredHeld& held) {
  const RefusedChange change{.revision = bisection.revision(),
                             .accepted_revision = bisection.base_revision(),
                             .rollout = bisection.rollout(),
                             .agents = bisection.agents(),
                             .resources = &after,
                             .accepted = &before};
  std::vector<RefusedObject> objects;
  for (const uint32_t number : bisection.found()) {
    objects.push_back(
        {.key = changes[number], .agent = bisection.agent(), .message = bisection.message()});
  }
  return Hold(change, objects, held);
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
    trial_->slices =
        Translator().Translate(std::move(resources), {}, bisection.revision(), "").snapshot;
  }
  snapshots_.SetTrial({.agent = AgentKey(bisection.agent()), .slices = trial_->slices});
}

std::optional<v1::StoredHeld> QuarantineControl::StepTrial(const v1::StoredHeld& held) {
  v1::StoredHeld next = held;
  v1::StoredBisection& bisection = *next.mutable_bisection();
  const int64_t now_ms = NowMs();
  const auto give_up = [&] {
    LogWarning("what an agent refuses was not found",
               {{"agent", bisection.agent()}, {"revision", std::to_string(bisection.revision())}});
    next.clear_bisection();
    return next;
  };
  if (!trial_.has_value() || trial_->changes.size() != bisection.changes()) return give_up();
  for (const v1::AgentStatus& status : agents_.Connected()) {
    if (status.id() != bisection.agent()) continue;
    const std::string version = trial_->slices->For(LabelsOf(status.labels()))->version;
    const bool accepted = status.snapshot_version() == version;
    const bool known =
        std::count(bisection.refused().begin(), bisection.refused().end(), version) > 0;
    if (!accepted && !known && status.refused_version() != version) break;
    if (!accepted && !known) bisection.add_refused(version);
    if (Answered(accepted, now_ms, bisection)) {
      const v1::StoredBisection found = bisection;
      next.clear_bisection();
      HoldFound(found, trial_->before, trial_->after, trial_->changes, next);
      return next;
    }
    return IsHopeless(bisection, now_ms) ? give_up() : next;
  }
  if (IsHopeless(bisection, now_ms)) return give_up();
  return std::nullopt;
}

// What they go on with must be what the store has of that revision.
std::optional<Refused> QuarantineControl::RefusedBy(const std::vector<v1::AgentStatus>& agents,
                                                    const SnapshotSlices& newest,
                                                    const v1::StoredHeld& held) {
  Refused refused;
  refused.revision = newest.whole()->revision;
  refused.held = {newest.whole()->held.begin(), newest.whole()->held.end()};
  refused.agents = static_cast<uint32_t>(agents.size());
  const v1::AgentStatus& first = *std::max_element(
      agents.begin(), agents.end(),
      [](const auto& a, const auto& b) { return a.snapshot_revision() < b.snapshot_revision(); });
  refused.accepted_revision = first.snapshot_version().empty() ? 0 : first.snapshot_revision();
  for (const Ids& ids : {refused.held, Ids()}) {
    const auto before = Resources(refused.accepted_revision, ids, held);
    if (!before.ok()) return std::nullopt;
    const SlicesPtr made =
        Translator().Translate(*before, {}, refused.accepted_revision, "").snapshot;
    const bool runs_it = made->For(LabelsOf(first.labels()))->version == first.snapshot_version();
    if (!runs_it && refused.accepted_revision != 0) continue;
    refused.accepted_held = ids;
    for (const v1::AgentResourceError& error : first.resource_errors()) {
      v1::RolloutRefusal& refusal = refused.refusals.emplace_back();
      refusal.set_agent(first.id());
      refusal.set_resource(error.resource());
      refusal.set_message(error.message());
    }
    if (refused.refusals.empty()) {
      v1::RolloutRefusal& refusal = refused.refusals.emplace_back();
      refusal.set_agent(first.id());
      refusal.set_message(first.last_error());
    }
    return refused;
  }
  return std::nullopt;
}

// Without a policy everybody is given what is newest at once.
std::optional<v1::StoredHeld> QuarantineControl::HearFleet(const v1::StoredHeld& held) {
  const SlicesPtr newest = snapshots_.NewestSlices();
  if (!agents_.AnyRefuses() || newest->whole()->version == hopeless_) {
    refused_ms_ = 0;
    return std::nullopt;
  }
  Answers answers;
  std::vector<v1::AgentStatus> refusing;
  for (v1::AgentStatus& status : agents_.Connected()) {
    const std::string version = newest->For(LabelsOf(status.labels()))->version;
    const bool refuses = status.refused_version() == version;
    const bool runs = status.snapshot_version() == version;
    ++(refuses ? answers.refuse : runs ? answers.run : answers.pending);
    if (refuses) refusing.push_back(std::move(status));
  }
  const int64_t now_ms = NowMs();
  const Opinion opinion = OpinionOf(answers, refused_ms_, now_ms);
  if (opinion == Opinion::kUndecided) {
    if (refused_ms_ == 0) refused_ms_ = now_ms;
    return std::nullopt;
  }
  refused_ms_ = 0;
  if (opinion != Opinion::kRefused) return std::nullopt;
  v1::StoredHeld next = held;
  const std::optional<Refused> refused = RefusedBy(refusing, *newest, held);
  if (refused.has_value() && !Blame(*refused, next).empty()) return next;
  hopeless_ = newest->whole()->version;
  return std::nullopt;
}

std::optional<v1::StoredHeld> QuarantineControl::Step(const RolloutPage& page) {
  if (page.held.has_bisection()) return StepTrial(page.held);
  if (!page.has_policy()) {
    if (auto next = HearFleet(page.held)) return next;
  }
  if (page.held.objects().empty()) return std::nullopt;
  v1::StoredHeld next = page.held;
  if (!Forget(page.state, Applying(page.held), NowMs(), next)) return std::nullopt;
  return next;
}

}  // namespace apk

// Each round: the targets follow what the store says; who leads steps on, as long as there is a
// step.
#include "control-plane/rollout/rollout_control.h"

#include <algorithm>
#include <utility>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/rollout/rollout_report.h"

namespace apk {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kTrafficEvery{1000};
constexpr Milliseconds kLookAtTraffic{250};
constexpr Milliseconds kRound{1000};  // While a rollout is under way.
constexpr Milliseconds kIdle{30'000};
constexpr Milliseconds kCollect{20};  // Agents answer one after the other.
constexpr std::chrono::seconds kAdopted{10};

int64_t NowMs() {
  return std::chrono::duration_cast<Milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool WantsTraffic(const RolloutPage& page) {
  return IsUnderWay(page.state) &&
         (page.state.policy().has_error_rate() || page.state.policy().has_gateway_error_rate());
}

// Whether the revision of the newest rollout is of interest: to run it, or not to begin it again.
bool NeedsCandidate(const v1::StoredRollout& state) {
  return IsUnderWay(state) || state.state() == v1::StoredRollout::FAILED ||
         state.state() == v1::StoredRollout::ABORTED;
}

void LogStep(const v1::StoredRollout& before, const v1::StoredRollout& after) {
  if (after.number() == before.number() && after.state() == before.state() &&
      after.stage() == before.stage() && after.chosen() == before.chosen()) {
    return;
  }
  if (after.number() == 0) return;
  LogInfo("rollout", {{"number", std::to_string(after.number())},
                      {"revision", std::to_string(after.revision())},
                      {"state", StateName(after)},
                      {"stage", std::to_string(after.stage())},
                      {"agents", std::to_string(after.members_size())},
                      {"reason", after.reason()}});
}

// Agents are given all of it anew, and nothing is searched for; nullopt: there is nothing to do.
std::optional<v1::StoredHeld> Lifted(const v1::StoredHeld& held) {
  if (held.objects().empty() && !held.has_bisection()) return std::nullopt;
  v1::StoredHeld next = held;
  LiftAll(next);
  next.clear_bisection();
  return next;
}

// Whether what it has failed by is held back, or searched for, where its policy says so.
bool IsBlamed(const v1::StoredRollout& state) {
  if (state.state() != v1::StoredRollout::FAILED || state.refusals().empty()) return false;
  const absl::StatusOr<RolloutPlan> plan = ParsePolicy(state.policy());
  return plan.ok() && plan->holds;
}

}  // namespace

RolloutControl::RolloutControl(RolloutBook& book, Configuration& configuration,
                               SnapshotCache& snapshots, AgentRegistry& agents)
    : book_(book),
      configuration_(configuration),
      snapshots_(snapshots),
      agents_(agents),
      quarantine_(configuration, snapshots, agents) {
  // At once, wherever it was learnt: what is published next must not get through.
  book_.OnChange([this] {
    if (book_.Now()->has_policy()) snapshots_.Hold();
    Wake();
  });
}

absl::Status RolloutControl::Load() {
  RETURN_IF_ERROR(book_.Load());
  configuration_.HoldBack(InForce(book_.Now()->held));
  return absl::OkStatus();
}

void RolloutControl::Start() {
  Follow();
  snapshots_.OnPublish([this] {
    const RolloutBook::PagePtr page = book_.Now();
    if (page->has_policy() || !page->held.objects().empty()) Wake();
  });
  agents_.OnAgents([this] {
    if (!book_.Now()->has_policy()) return;
    const std::lock_guard lock(mutex_);
    agents_changed_ = true;
    wake_.notify_one();
  });
  thread_ = Thread("rollout", 0, [this] { Run(); });
}

void RolloutControl::Stop() {
  book_.OnChange(nullptr);
  snapshots_.OnPublish(nullptr);
  agents_.OnAgents(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  settled_.notify_all();
  thread_.Join();
}

void RolloutControl::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  wake_.notify_one();
}

void RolloutControl::Lead(bool here) {
  const std::lock_guard lock(mutex_);
  leads_ = here;
  woken_ = true;
  wake_.notify_one();
}

void RolloutControl::OnTrafficWanted(std::function<void(Milliseconds)> wanted) {
  const std::lock_guard lock(wanted_mutex_);
  wanted_ = std::move(wanted);
  if (wanted_) wanted_(traffic_every_);
}

void RolloutControl::AskTraffic(const RolloutPage& page) {
  const std::lock_guard lock(wanted_mutex_);
  const Milliseconds every = WantsTraffic(page) ? kTrafficEvery : Milliseconds(0);
  if (every == traffic_every_) return;
  traffic_every_ = every;
  if (wanted_) wanted_(every);
}

Milliseconds RolloutControl::Patience(bool leads) const {
  const RolloutBook::PagePtr page = book_.Now();
  if (page->held.has_bisection()) return kRound;
  if (!page->has_policy() || !IsUnderWay(page->state)) return kIdle;
  const Milliseconds patience = WantsTraffic(*page) ? kLookAtTraffic : kRound;
  const std::optional<int64_t> next = NextStepMs(page->state);
  if (!leads || !next.has_value()) return patience;
  // One that is due and was not taken could not be written, say.
  return std::clamp(Milliseconds(*next - NowMs()), kCollect, patience);
}

void RolloutControl::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    const bool leads = leads_;
    lock.unlock();
    while (Drive(Follow(), leads)) {
    }
    Report(*book_.Now());
    const Milliseconds patience = Patience(leads);
    lock.lock();
    settled_.notify_all();
    wake_.wait_for(lock, patience, [this] { return stopping_ || woken_ || agents_changed_; });
    if (std::exchange(agents_changed_, false) && !woken_) {
      wake_.wait_for(lock, kCollect, [this] { return stopping_ || woken_; });
    }
  }
}

// Of the store, where nobody has it in memory. nullptr where it can't be had.
SlicesPtr RolloutControl::SnapshotOf(uint64_t revision,
                                     const google::protobuf::RepeatedField<uint64_t>& held,
                                     const RolloutPage& page) {
  if (revision == 0 || revision == lost_revision_) return nullptr;
  const std::vector<uint64_t> ids(held.begin(), held.end());
  {
    const std::lock_guard lock(targets_mutex_);
    for (const SlicesPtr& known : {targets_.promoted, targets_.candidate}) {
      if (known == nullptr || known->whole()->held != ids) continue;
      if (known->whole()->revision == revision) return known;
    }
  }
  if (const SlicesPtr published = snapshots_.Find(revision, ids); published != nullptr) {
    return published->At(revision);
  }
  absl::StatusOr<SlicesPtr> made = configuration_.SnapshotAt(revision, ObjectsOf(page.held, held));
  if (made.ok()) return *std::move(made);
  LogError(
      "a revision of a rollout can't be read: agents keep what they have",
      {{"revision", std::to_string(revision)}, {"reason", std::string(made.status().message())}});
  if (absl::IsNotFound(made.status())) lost_revision_ = revision;
  return nullptr;
}

// Has agents run what the store says: returns what that is, nullptr where it can't be done now.
RolloutBook::PagePtr RolloutControl::Follow() {
  const RolloutBook::PagePtr page = book_.Now();
  if (page == followed_) return page;
  const v1::StoredRollout& state = page->state;
  AskTraffic(*page);
  if (!page->has_policy()) {
    followed_ = page;
    {
      const std::lock_guard lock(targets_mutex_);
      targets_ = {};
    }
    snapshots_.Release();
    quarantine_.Follow(*page);
    return page;
  }
  RolloutTargets targets;
  targets.withdrawn_revision = state.withdrawn_revision();
  targets.withdrawn_after = state.promoted_revision();
  if (state.promoted_revision() == 0) {  // Until who leads has said what is promoted.
    targets.promoted = snapshots_.Held();
    if (targets.promoted->whole()->version.empty()) targets.promoted = snapshots_.NewestSlices();
  } else {
    targets.promoted = SnapshotOf(state.promoted_revision(), state.promoted_held(), *page);
    if (NeedsCandidate(state)) {
      targets.candidate = SnapshotOf(state.revision(), state.held(), *page);
    }
  }
  if (IsUnderWay(state)) {
    absl::flat_hash_set<uint64_t> members;
    for (const v1::StoredRollout::Member& member : state.members()) members.insert(member.agent());
    targets.members = std::make_shared<const absl::flat_hash_set<uint64_t>>(std::move(members));
  }
  {
    const std::lock_guard lock(targets_mutex_);
    targets_ = targets;
  }
  // One that was stopped and is forgotten by the store is not what is newest.
  const bool needed = state.promoted_revision() != 0 && NeedsCandidate(state) &&
                      (IsUnderWay(state) || state.revision() != lost_revision_);
  const bool complete = targets.promoted != nullptr && (!needed || targets.candidate != nullptr);
  followed_ = complete ? page : nullptr;
  snapshots_.SetTargets(std::move(targets));
  quarantine_.Follow(*page);
  return followed_;
}

// For the conditions of what agents do not serve yet, or refuse.
void RolloutControl::Report(const RolloutPage& page) {
  HeldBack held_back;
  const v1::StoredRollout& state = page.state;
  if (page.has_policy() && state.promoted_revision() != 0 && !NewestIsPromoted()) {
    const std::string rollout = Concat("rollout ", std::to_string(state.number()));
    // What is said of other objects is for whoever may read those.
    const std::string why = state.refusals().empty() ? state.reason() : "agents refuse it";
    held_back.message = IsUnderWay(state) ? Concat(rollout, " has not reached every agent yet")
                                          : Concat(rollout, " was stopped: ", why);
    if (state.state() == v1::StoredRollout::FAILED) {
      for (const v1::RolloutRefusal& refusal : state.refusals()) {
        if (refusal.resource().empty()) continue;
        held_back.refused[refusal.resource()] =
            Concat("agent ", refusal.agent(), ": ", refusal.message());
      }
    }
  }
  held_back.objects = quarantine_.Reasons(page);
  agents_.SetHeldBack(std::move(held_back));
}

bool RolloutControl::NewestIsPromoted() const {
  const std::lock_guard lock(targets_mutex_);
  return targets_.promoted != nullptr && snapshots_.NewestSlices()->SameAs(*targets_.promoted);
}

RolloutView RolloutControl::View(const RolloutPage& page) {
  RolloutTargets targets;
  {
    const std::lock_guard lock(targets_mutex_);
    targets = targets_;
  }
  const SlicesPtr newest = snapshots_.NewestSlices();
  RolloutView view;
  view.now_ms = NowMs();
  view.head_revision = newest->whole()->revision;
  view.newest_revision = snapshots_.FirstRevision();
  view.held = newest->whole()->held;
  view.newest_is_promoted = targets.promoted != nullptr && newest->SameAs(*targets.promoted);
  view.newest_is_candidate = targets.candidate != nullptr && newest->SameAs(*targets.candidate);
  // As the rollout has it: the revision that was read first after a start may be a later one.
  if (view.newest_is_candidate) view.newest_revision = page.state.revision();
  const bool under_way = IsUnderWay(page.state);
  for (const v1::AgentStatus& status : agents_.Connected()) {
    view.agents.push_back(
        SeeAgent(status, targets.promoted, under_way ? targets.candidate : nullptr));
  }
  const std::lock_guard lock(traffic_mutex_);
  traffic_.Cut(page.state, view.agents);
  return view;
}

// Looks, and takes one step where this control plane leads; false where there is none to take.
bool RolloutControl::Drive(const RolloutBook::PagePtr& page, bool leads) {
  // Without the snapshots nothing can be said of who runs what.
  if (page == nullptr) return false;
  if (leads && (page->held.has_bisection() || !page->has_policy())) {
    std::optional<v1::StoredHeld> held = quarantine_.Step(*page);
    return held.has_value() && Write(page, {.policy = {}, .state = {}, .held = std::move(held)});
  }
  if (!page->has_policy()) return false;
  if (!leads) {
    if (IsUnderWay(page->state)) View(*page);  // Traffic is counted from now on.
    return false;
  }
  const v1::StoredRollout& state = page->state;
  // Whatever was committed before the policy was there may have reached agents.
  if (state.promoted_revision() == 0 && !configuration_.CatchUp().ok()) return false;
  const RolloutView view = View(*page);
  std::optional<v1::StoredRollout> next = Step(state, page->policy.policy(), view);
  if (!next.has_value()) {
    std::optional<v1::StoredHeld> held = quarantine_.Step(*page);
    return held.has_value() && Write(page, {.policy = {}, .state = {}, .held = std::move(held)});
  }
  RolloutChange change{.policy = {}, .state = std::move(next)};
  BlameRefusals(*page, change);
  return Write(page, change);
}

// Those who refuse it say what; where the objects are known the others' changes go on without them.
void RolloutControl::BlameRefusals(const RolloutPage& page, RolloutChange& change) {
  v1::StoredRollout& state = *change.state;
  if (!IsUnderWay(page.state) || !IsBlamed(state)) return;
  v1::StoredHeld held = page.held;
  const std::string done = quarantine_.Blame(state, held);
  if (done.empty()) return;
  state.set_reason(Concat(state.reason(), "; ", done));
  change.held = std::move(held);
}

// False where it was not written.
bool RolloutControl::Write(const RolloutBook::PagePtr& page, const RolloutChange& change) {
  const absl::Status written = book_.WriteAsLeader(*page, change);
  if (written.ok()) {
    if (change.state.has_value()) LogStep(page->state, *change.state);
    return true;
  }
  if (!absl::IsAborted(written)) {
    LogWarning("the state of a rollout can't be written",
               {{"reason", std::string(written.message())}});
  }
  // What it is now was read, and wakes this thread where it is something else.
  return false;
}

absl::StatusOr<v1::RolloutPolicy> RolloutControl::SetPolicy(
    const v1::SetRolloutPolicyRequest& request, const std::string& author) {
  ASSIGN_OR_RETURN(const RolloutPlan plan, ParsePolicy(request.policy()));
  const int64_t now_ms = NowMs();
  v1::StoredRolloutPolicy stored;
  *stored.mutable_policy() = request.policy();
  stored.set_author(author);
  stored.set_set_ms(now_ms);
  const absl::Status changed =
      book_.Change([&](const RolloutPage& page) -> absl::StatusOr<RolloutChange> {
        RolloutChange change{.policy = stored, .state = {}};
        if (plan.stages.empty()) {
          if (!request.force() && !quarantine_.Held(page).empty()) {
            return absl::FailedPreconditionError(
                "without a policy nothing is held back: what agents refuse would reach all of them "
                "at once; apply it mended or go back first, or force it");
          }
          ASSIGN_OR_RETURN(change.state,
                           WithoutPolicy(page.state, NewestIsPromoted(), request.force(), now_ms));
          change.held = Lifted(page.held);
        }
        return change;
      });
  RETURN_IF_ERROR(changed);
  LogInfo("rollout policy set", {{"stages", std::to_string(plan.stages.size())}, {"by", author}});
  if (plan.stages.empty()) return request.policy();
  std::unique_lock lock(mutex_);
  const bool adopted = settled_.wait_for(
      lock, kAdopted, [this] { return stopping_ || book_.Now()->state.promoted_revision() != 0; });
  if (adopted) return request.policy();
  return absl::UnavailableError(
      "the policy is stored, and in force as soon as one of the control planes leads the others");
}

absl::Status RolloutControl::RestoreHeld(const RolloutPage& backup) {
  if (backup.held.objects().empty()) return absl::OkStatus();
  const absl::Status restored =
      book_.Change([&backup](const RolloutPage& page) -> absl::StatusOr<RolloutChange> {
        RolloutChange change{.policy = {}, .state = {}};
        if (!page.held.objects().empty()) return change;
        change.held = page.held;
        TakeOver(backup.held, NowMs(), *change.held);
        return change;
      });
  // The objects that come next must not get to anybody before.
  if (restored.ok()) configuration_.HoldBack(InForce(book_.Now()->held));
  return restored;
}

absl::Status RolloutControl::RestorePolicy(const RolloutPage& backup, const std::string& author) {
  if (!backup.has_policy() || book_.Now()->has_policy()) return absl::OkStatus();
  v1::SetRolloutPolicyRequest request;
  *request.mutable_policy() = backup.policy.policy();
  return SetPolicy(request, author).status();
}

v1::RolloutStatus RolloutControl::Status() {
  const RolloutBook::PagePtr page = book_.Now();
  v1::RolloutStatus status = StatusOf(page->state, page->has_policy(), View(*page));
  for (v1::HeldObject& object : quarantine_.Held(*page)) {
    if (object.rollout() == page->state.number()) status.set_goes_on(true);
    *status.add_held() = std::move(object);
  }
  if (page->held.has_bisection()) {
    status.set_goes_on(true);
    const v1::StoredBisection& bisection = page->held.bisection();
    status.set_search(Concat("agent ", bisection.agent(), " tries parts of revision ",
                             std::to_string(bisection.revision()), ", of ",
                             std::to_string(bisection.changes()), " changed objects"));
  }
  return status;
}

v1::ListRolloutsResponse RolloutControl::History() const {
  v1::ListRolloutsResponse response;
  *response.mutable_rollouts() = book_.Now()->history.rollouts();
  return response;
}

absl::StatusOr<v1::RolloutStatus> RolloutControl::Steer(const v1::SteerRolloutRequest& request,
                                                        const std::string& author) {
  const int64_t now_ms = NowMs();
  using Request = v1::SteerRolloutRequest;
  const absl::Status changed =
      book_.Change([&](const RolloutPage& page) -> absl::StatusOr<RolloutChange> {
        const v1::StoredRollout& state = page.state;
        if (request.number() != 0 && request.number() != state.number()) {
          return absl::AbortedError(Concat("rollout ", std::to_string(request.number()),
                                           " is over: the newest is ",
                                           std::to_string(state.number())));
        }
        const auto next = [&]() -> absl::StatusOr<v1::StoredRollout> {
          switch (request.action()) {
            case Request::PROMOTE:
              return Promote(state, author, now_ms);
            case Request::PAUSE:
              return Pause(state, now_ms);
            case Request::RESUME:
              return Resume(state, now_ms);
            case Request::ABORT:
              return Abort(state, author, now_ms);
            case Request::RETRY:
              return Retry(state, AnythingInForce(page.held));
            default:
              return absl::InvalidArgumentError("action: must be one");
          }
        }();
        RETURN_IF_ERROR(next.status());
        LogStep(state, *next);
        RolloutChange change{.policy = {}, .state = *next};
        if (request.action() == Request::RETRY) change.held = Lifted(page.held);
        return change;
      });
  RETURN_IF_ERROR(changed);
  return Status();
}

}  // namespace apk

// Three threads: one waits for etcd to tell something, one reads, one writes.
#include "control-plane/replication/replica.h"

#include <chrono>
#include <random>

#include "common/log.h"
#include "common/status_macros.h"
#include "common/uuid.h"

namespace apk {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kReadAnyway{3000};
constexpr Milliseconds kReadFleetAnyway{30'000};
constexpr Milliseconds kRound{1000};
// Agents answer a new snapshot all at once: what they say is collected.
constexpr Milliseconds kCollect{50};

}  // namespace

Replica::Replica(EtcdClient& client, EtcdLog& log, const std::string& prefix,
                 Configuration& configuration, AgentRegistry& agents, IdentityLedger& identities,
                 RolloutBook& rollouts, RolloutControl& rollout_control)
    : client_(client),
      log_(log),
      keys_(prefix),
      configuration_(configuration),
      agents_(agents),
      identities_(identities),
      rollouts_(rollouts),
      rollout_control_(rollout_control),
      name_(NewUuid()),
      fleet_(client, keys_, name_, agents),
      leadership_(client, keys_, name_) {
  log_.SetFence(Leadership::kNoFence);
  configuration_.WriteStatuses(false);
  rollout_control_.Lead(false);
  // A policy that was there when a revision was committed is known before that gets to agents.
  configuration_.BeforeShow([&rollouts] { rollouts.Load().IgnoreError(); });
}

void Replica::Start() {
  agents_.OnOwnChange([this] {
    const std::lock_guard lock(mutex_);
    agents_changed_ = true;
    participate_.notify_one();
  });
  watch_thread_ = Thread("store-watch", 0, [this] { Watch(); });
  follow_thread_ = Thread("store-follow", 0, [this] { Follow(); });
  participate_thread_ = Thread("store-lease", 0, [this] { Participate(); });
}

void Replica::Stop() {
  agents_.OnOwnChange(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  follow_.notify_all();
  participate_.notify_all();
  participate_thread_.Join();
  client_.Shutdown();
  watch_thread_.Join();
  follow_thread_.Join();
}

void Replica::ReadSoon() {
  const std::lock_guard lock(mutex_);
  head_moved_ = true;
  follow_.notify_one();
}

bool Replica::StopsWithin(Milliseconds duration) {
  std::unique_lock lock(mutex_);
  return follow_.wait_for(lock, duration, [this] { return stopping_; });
}

void Replica::Note(bool& failing, const absl::Status& status, std::string_view what) const {
  if (status.ok() == !failing) return;
  failing = !status.ok();
  if (failing) {
    LogWarning(what, {{"reason", std::string(status.message())}});
  } else {
    LogInfo("etcd answers again");
  }
}

void Replica::Watch() {
  std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<int> jitter(50, 300);
  const auto read_all = [this] {
    const std::lock_guard lock(mutex_);
    read_all_ = true;
    follow_.notify_one();
  };
  do {
    const absl::Status ended = client_.Watch(
        keys_.Now(), read_all, [this](const std::vector<EtcdEvent>& events) { OnEvents(events); });
    LogDebug("watch ended", {{"reason", std::string(ended.message())}});
    read_all();
  } while (!StopsWithin(Milliseconds(jitter(random))));
}

// Here and now: who is revoked must not wait for a translation.
bool Replica::TakeRecord(const EtcdEvent& event) {
  const std::string folder = keys_.Records();
  if (!event.pair.key.starts_with(folder)) return false;
  const Record record{.key = event.pair.key.substr(folder.size()),
                      .value = event.pair.value,
                      .version = event.pair.mod_revision,
                      .gone = event.deleted};
  if (RolloutBook::IsKey(record.key)) {
    rollouts_.Take(record);
  } else {
    identities_.Take(record);
  }
  return true;
}

absl::Status Replica::LoadRecords() {
  RETURN_IF_ERROR(identities_.Load());
  return rollouts_.Load();
}

void Replica::OnEvents(const std::vector<EtcdEvent>& events) {
  std::vector<EtcdEvent> others;
  for (const EtcdEvent& event : events) {
    if (!TakeRecord(event)) others.push_back(event);
  }
  if (others.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const EtcdEvent& event : others) {
    if (event.pair.key == keys_.Head()) {
      head_moved_ = true;
    } else if (event.pair.key == keys_.Leader()) {
      leader_gone_ = leader_gone_ || event.deleted;
    } else {
      reports_.push_back(event);
    }
  }
  follow_.notify_all();
  if (leader_gone_) participate_.notify_one();
}

void Replica::Follow() {
  bool failing = false;
  auto fleet_read = std::chrono::steady_clock::time_point::min();
  std::unique_lock lock(mutex_);
  for (;;) {
    follow_.wait_for(lock, kReadAnyway,
                     [this] { return stopping_ || head_moved_ || read_all_ || !reports_.empty(); });
    if (!head_moved_ && !read_all_ && !reports_.empty()) {
      follow_.wait_for(lock, kCollect, [this] { return stopping_ || head_moved_; });
    }
    if (stopping_) return;
    const bool only_reports = !head_moved_ && !read_all_ && !reports_.empty();
    const bool read_all = std::exchange(read_all_, false);
    head_moved_ = false;
    const std::vector<EtcdEvent> reports = std::exchange(reports_, {});
    lock.unlock();
    absl::Status read;
    const auto now = std::chrono::steady_clock::now();
    const bool fleet_due = read_all || fleet_read == decltype(fleet_read)::min() ||
                           now - fleet_read >= kReadFleetAnyway;
    if (fleet_due) {
      read = LoadRecords();
      if (read.ok()) read = fleet_.Read();
      if (read.ok()) fleet_read = now;
    }
    for (const EtcdEvent& report : reports) fleet_.Take(report);
    if (fleet_due || !reports.empty()) fleet_.Deliver();
    if (!only_reports && read.ok()) read = configuration_.CatchUp();
    Note(failing, read, "the store can't be followed, serving on");
    lock.lock();
  }
}

void Replica::Participate() {
  bool failing = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    agents_changed_ = false;
    leader_gone_ = false;
    lock.unlock();
    const int64_t lease_before = leadership_.lease();
    absl::Status done = leadership_.Renew(std::chrono::steady_clock::now());
    if (leadership_.lease() != lease_before) fleet_.ForgetPublished();
    ShowLead();
    if (done.ok()) done = fleet_.Publish(leadership_.lease());
    if (absl::IsNotFound(done)) leadership_.LoseLease();
    if (done.ok() && leads_) {
      const Configuration::View view = configuration_.Current();
      const RolloutBook::PagePtr page = rollouts_.Now();
      const uint64_t needed = page->has_policy() ? page->state.promoted_revision() : view.revision;
      done = log_.Maintain({.revision = view.revision, .resources = *view.resources}, needed);
    }
    Note(failing, done, "not in touch with other control planes");
    lock.lock();
    participate_.wait_for(lock, kRound,
                          [this] { return stopping_ || agents_changed_ || leader_gone_; });
    if (agents_changed_ && !stopping_) {
      participate_.wait_for(lock, kCollect, [this] { return stopping_; });
    }
  }
  lock.unlock();
  if (!failing) leadership_.Resign();
}

void Replica::ShowLead() {
  log_.SetFence(leadership_.fence());
  const bool leads = leadership_.fence() != Leadership::kNoFence;
  if (leads == leads_) return;
  leads_ = leads;
  LogInfo(leads ? "this control plane writes statuses" : "another control plane writes statuses");
  configuration_.WriteStatuses(leads);
  rollout_control_.Lead(leads);
}

}  // namespace apk

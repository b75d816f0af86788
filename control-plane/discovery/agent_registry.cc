// Agents that left stay listed as not connected until the control plane restarts.
#include "control-plane/discovery/agent_registry.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/strings.h"
#include "common/time_format.h"

namespace apk {
namespace {

constexpr size_t kAgentsMax = 20'000;
constexpr int kResourcesMax = 10;
constexpr int kListenersMax = 100;
// Of what an agent says, which is stored, passed on and shown.
constexpr size_t kNameBytesMax = 512;
constexpr size_t kMessageBytesMax = 1000;
constexpr size_t kErrorBytesMax = 4096;

std::string Cut(const std::string& text, size_t bytes_max) {
  return std::string(CutUtf8(text, bytes_max));
}

void SetLabels(const Labels& labels, v1::AgentStatus& status) {
  status.clear_labels();
  for (std::string& text : TextsOf(labels)) status.add_labels(std::move(text));
}

}  // namespace

void AgentRegistry::OnChange(std::function<void()> changed) {
  const std::lock_guard lock(listeners_mutex_);
  changed_ = std::move(changed);
}

void AgentRegistry::OnOwnChange(std::function<void()> changed) {
  const std::lock_guard lock(listeners_mutex_);
  own_changed_ = std::move(changed);
}

void AgentRegistry::OnAgents(std::function<void()> changed) {
  const std::lock_guard lock(listeners_mutex_);
  agents_changed_ = std::move(changed);
}

void AgentRegistry::Changed(bool own) {
  const std::lock_guard lock(listeners_mutex_);
  if (changed_) changed_();
  if (agents_changed_) agents_changed_();
  if (own && own_changed_) own_changed_();
}

absl::Status AgentRegistry::Connect(const v1::DiscoveryRequest& hello, const Labels& labels,
                                    uint64_t stream) {
  const v1::AgentInfo& agent = hello.agent();
  {
    const std::lock_guard lock(mutex_);
    if (agents_.size() >= kAgentsMax) {
      std::erase_if(agents_, [](const auto& entry) { return !entry.second.status.connected(); });
    }
    Entry& entry = agents_[agent.id()];
    if (entry.status.connected()) {
      return absl::AlreadyExistsError(
          Concat("an agent called ", agent.id(), " is connected already, since ",
                 entry.status.connected_since(), ": give each agent an --id of its own"));
    }
    entry.stream = stream;
    entry.status.set_id(agent.id());
    entry.status.set_address(agent.address());
    entry.status.set_version(agent.version());
    entry.status.set_connected(true);
    entry.status.clear_last_error();  // Of its life before.
    entry.status.clear_refused_version();
    entry.status.clear_listener_errors();
    entry.status.clear_resource_errors();
    entry.status.clear_traffic();
    entry.status.set_started_unix_ms(agent.started_unix_ms());
    SetLabels(labels, entry.status);
    entry.status.set_snapshot_version(hello.version());
    entry.status.set_snapshot_revision(hello.revision());
    entry.status.set_connected_since(Rfc3339Now());
    entry.status.set_last_seen(entry.status.connected_since());
  }
  Changed(true);
  return absl::OkStatus();
}

void AgentRegistry::Relabel(const std::string& id, const Labels& labels) {
  {
    const std::lock_guard lock(mutex_);
    SetLabels(labels, agents_[id].status);
  }
  Changed(true);
}

void AgentRegistry::Acknowledge(const std::string& id, const v1::DiscoveryRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    v1::AgentStatus& status = agents_[id].status;
    status.set_snapshot_version(request.version());
    status.set_snapshot_revision(request.revision());
    status.clear_last_error();
    status.clear_refused_version();
    status.clear_resource_errors();
    status.set_last_seen(Rfc3339Now());
    status.clear_listener_errors();
    for (const v1::ResourceError& error : request.listener_errors()) {
      if (status.listener_errors_size() == kListenersMax) break;
      v1::AgentListenerError* const entry = status.add_listener_errors();
      entry->set_listener(Cut(error.name(), kNameBytesMax));
      entry->set_message(Cut(error.message(), kMessageBytesMax));
      entry->set_address(Cut(error.address(), kNameBytesMax));
      entry->set_address_unusable(error.address_unusable());
    }
  }
  Changed(true);
}

void AgentRegistry::NoteTraffic(const std::string& id, const v1::Traffic& traffic) {
  const std::lock_guard lock(mutex_);
  v1::Traffic& noted = *agents_[id].status.mutable_traffic();
  noted = traffic;
  noted.set_version(Cut(traffic.version(), kNameBytesMax));
}

void AgentRegistry::SetHeldBack(HeldBack held_back) {
  {
    const std::lock_guard lock(mutex_);
    if (held_back_ == held_back) return;
    held_back_ = std::move(held_back);
  }
  const std::lock_guard lock(listeners_mutex_);
  if (changed_) changed_();
}

std::string ReasonOf(const v1::DiscoveryRequest& request) {
  std::string reason = request.error();
  for (int i = 0; i < request.resource_errors_size(); ++i) {
    if (i == kResourcesMax) return reason + "; …";
    const v1::ResourceError& error = request.resource_errors(i);
    reason += Concat("; ", error.name(), ": ", error.message());
  }
  return reason;
}

void AgentRegistry::Reject(const std::string& id, const v1::DiscoveryRequest& request,
                           const std::string& version) {
  {
    const std::lock_guard lock(mutex_);
    v1::AgentStatus& status = agents_[id].status;
    status.set_last_error(Cut(ReasonOf(request), kErrorBytesMax));
    status.set_refused_version(version);
    status.clear_resource_errors();
    for (int i = 0; i < std::min(request.resource_errors_size(), kResourcesMax); ++i) {
      v1::AgentResourceError& error = *status.add_resource_errors();
      error.set_resource(Cut(request.resource_errors(i).name(), kNameBytesMax));
      error.set_message(Cut(request.resource_errors(i).message(), kMessageBytesMax));
    }
    status.set_last_seen(Rfc3339Now());
  }
  Changed(true);
}

void AgentRegistry::Disconnect(const std::string& id, uint64_t stream) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = agents_.find(id);
    if (found == agents_.end() || found->second.stream != stream) return;
    found->second.status.set_connected(false);
    found->second.status.set_last_seen(Rfc3339Now());
  }
  Changed(true);
}

std::vector<v1::AgentStatus> AgentRegistry::Own() const {
  std::vector<v1::AgentStatus> own;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : agents_) own.push_back(entry.status);
  return own;
}

void AgentRegistry::SetElsewhere(std::vector<v1::AgentStatus> statuses) {
  // But for traffic, which is told all the time.
  const auto bytes = [](v1::AgentStatus status) {
    status.clear_traffic();
    return status.SerializeAsString();
  };
  const auto same = [&bytes](const v1::AgentStatus& a, const v1::AgentStatus& b) {
    return bytes(a) == bytes(b);
  };
  {
    const std::lock_guard lock(mutex_);
    const bool nothing_new =
        std::equal(statuses.begin(), statuses.end(), elsewhere_.begin(), elsewhere_.end(), same);
    elsewhere_ = std::move(statuses);
    if (nothing_new) return;
  }
  Changed(false);
}

// An agent that moved is known to several control planes: the one that it came to last is right.
// REQUIRES: mutex_ is held.
std::map<std::string, const v1::AgentStatus*> AgentRegistry::All() const {
  std::map<std::string, const v1::AgentStatus*> all;
  for (const auto& [id, entry] : agents_) all[id] = &entry.status;
  for (const v1::AgentStatus& status : elsewhere_) {
    const v1::AgentStatus*& known = all[status.id()];
    const auto rank = [](const v1::AgentStatus& of) {
      return std::make_pair(of.connected(), std::string_view(of.connected_since()));
    };
    if (known == nullptr || rank(*known) < rank(status)) known = &status;
  }
  return all;
}

bool AgentRegistry::IsConnected(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const std::map<std::string, const v1::AgentStatus*> all = All();
  const auto found = all.find(id);
  return found != all.end() && found->second->connected();
}

std::vector<v1::AgentStatus> AgentRegistry::Connected() const {
  std::vector<v1::AgentStatus> connected;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, status] : All()) {
    if (status->connected()) connected.push_back(*status);
  }
  return connected;
}

FleetReport AgentRegistry::Report() const {
  FleetReport report;
  std::map<std::vector<std::string>, FleetReport::Group> groups;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, status] : All()) {
    if (!status->connected()) continue;
    FleetReport::Group& group = groups[{status->labels().begin(), status->labels().end()}];
    if (group.agents++ == 0) group.labels = LabelsOf(status->labels());
    group.versions.insert(status->snapshot_version());
    if (!status->address().empty()) group.addresses.insert(status->address());
    for (const v1::AgentListenerError& error : status->listener_errors()) {
      report.listener_errors[error.listener()].push_back(
          {.agent = id,
           .message = error.message(),
           .address = error.address(),
           .address_unusable = error.address_unusable()});
    }
  }
  report.held_back = held_back_;
  for (auto& [labels, group] : groups) report.groups.push_back(std::move(group));
  return report;
}

std::vector<v1::AgentStatus> AgentRegistry::List(const SnapshotCache& snapshots) const {
  std::vector<v1::AgentStatus> list;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, status] : All()) list.push_back(*status);
  }
  for (v1::AgentStatus& status : list) {
    const SnapshotPtr newest =
        snapshots.NewestFor({.id = status.id(), .labels = LabelsOf(status.labels())});
    status.set_newest_version(newest->version);
    status.set_up_to_date(status.connected() && status.snapshot_version() == newest->version);
  }
  return list;
}

}  // namespace apk

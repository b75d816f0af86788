// Nothing is held against an agent for which the change is none.
#include "control-plane/rollout/rollout_fleet.h"

#include <algorithm>
#include <set>

#include "common/labels.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr size_t kMessageBytesMax = 500;

v1::RolloutRefusal Refusal(const std::string& agent, const std::string& resource,
                           const std::string& message) {
  v1::RolloutRefusal refusal;
  refusal.set_agent(agent);
  refusal.set_resource(resource);
  refusal.set_message(std::string(CutUtf8(message, kMessageBytesMax)));
  return refusal;
}

// What can't be served for a reason of the node is none of the change's where it was so before.
bool IsNew(const std::string& resource, const SharedSnapshot& before, const SharedSnapshot& after) {
  const SharedResource* const was = before.Find(resource);
  const SharedResource* const is = after.Find(resource);
  return is != nullptr && (was == nullptr || (*was)->hash() != (*is)->hash());
}

// What the change left as it was is not named: an agent speaks of nobody else's.
void AddRefusals(const v1::AgentStatus& status, const SharedSnapshot& before,
                 const SharedSnapshot& after, RolloutAgent& agent) {
  for (const v1::AgentResourceError& error : status.resource_errors()) {
    const bool is_new = IsNew(error.resource(), before, after);
    agent.refusals.push_back(Refusal(status.id(), is_new ? error.resource() : "", error.message()));
  }
  if (agent.refusals.empty()) {
    agent.refusals.push_back(Refusal(status.id(), "", status.last_error()));
  }
}

void AddUnserved(const v1::AgentStatus& status, const SharedSnapshot& before,
                 const SharedSnapshot& after, RolloutAgent& agent) {
  for (const v1::AgentListenerError& error : status.listener_errors()) {
    if (!IsNew(error.listener(), before, after)) continue;
    // Addresses that a Gateway names are of one node or another.
    if (error.address_unusable() && !error.address().empty()) continue;
    agent.refusals.push_back(Refusal(status.id(), error.listener(), error.message()));
  }
}

uint64_t Less(uint64_t now, uint64_t before) { return now >= before ? now - before : 0; }

}  // namespace

RolloutAgent SeeAgent(const v1::AgentStatus& status, const SlicesPtr& promoted,
                      const SlicesPtr& candidate) {
  RolloutAgent agent;
  agent.id = status.id();
  agent.labels = LabelsOf(status.labels());
  agent.started_ms = status.started_unix_ms();
  if (promoted == nullptr || candidate == nullptr) return agent;
  const SnapshotPtr before = promoted->For(agent.labels);
  const SnapshotPtr after = candidate->For(agent.labels);
  agent.concerned = before->version != after->version;
  agent.runs_it = status.snapshot_version() == after->version;
  const std::string& counted = agent.runs_it ? after->version : before->version;
  if (status.traffic().version() == counted) agent.traffic = status.traffic();
  if (!agent.concerned) return agent;
  if (status.refused_version() == after->version) AddRefusals(status, *before, *after, agent);
  if (agent.runs_it) AddUnserved(status, *before, *after, agent);
  return agent;
}

void StageTraffic::Cut(const v1::StoredRollout& state, std::vector<RolloutAgent>& agents) {
  const std::pair<uint64_t, uint32_t> stage = {state.number(), state.stage()};
  if (stage != stage_) begun_.clear();
  stage_ = stage;
  std::set<uint64_t> members;
  for (const v1::StoredRollout::Member& member : state.members()) members.insert(member.agent());
  for (RolloutAgent& agent : agents) {
    if (members.contains(AgentKey(agent.id)) || agent.traffic.version().empty()) continue;
    v1::Traffic& begun = begun_.try_emplace(agent.id, agent.traffic).first->second;
    // It counts anew: it has begun anew, or runs another snapshot.
    const bool anew =
        begun.version() != agent.traffic.version() || begun.requests() > agent.traffic.requests();
    if (anew) {
      begun.Clear();
      begun.set_version(agent.traffic.version());
    }
    v1::Traffic& traffic = agent.traffic;
    traffic.set_requests(Less(traffic.requests(), begun.requests()));
    traffic.set_responses_5xx(Less(traffic.responses_5xx(), begun.responses_5xx()));
    traffic.set_gateway_errors(Less(traffic.gateway_errors(), begun.gateway_errors()));
  }
}

}  // namespace apk

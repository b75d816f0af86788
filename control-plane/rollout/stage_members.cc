// A digest of the rollout's number and the agent's name is as good as a lot.
#include "control-plane/rollout/stage_members.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "common/strings.h"

namespace apk {
namespace {

uint64_t LotOf(uint64_t number, const std::string& agent) {
  return AgentKey(Concat(std::to_string(number), "/", agent));
}

}  // namespace

std::vector<const RolloutAgent*> ChooseMembers(const RolloutPlan::Stage& stage, uint64_t number,
                                               const v1::StoredRollout& state,
                                               const std::vector<RolloutAgent>& agents) {
  std::set<uint64_t> members;
  for (const v1::StoredRollout::Member& member : state.members()) members.insert(member.agent());
  std::vector<const RolloutAgent*> others;
  size_t present = 0;  // Members that are connected.
  for (const RolloutAgent& agent : agents) {
    if (members.contains(AgentKey(agent.id))) {
      ++present;
    } else if (!stage.selector.has_value() || stage.selector->Matches(agent.labels)) {
      others.push_back(&agent);
    }
  }
  if (stage.selector.has_value()) return others;
  std::sort(others.begin(), others.end(), [&](const RolloutAgent* a, const RolloutAgent* b) {
    const auto rank = [&](const RolloutAgent& of) {
      return std::make_tuple(!of.concerned, LotOf(number, of.id));
    };
    return rank(*a) < rank(*b);
  });
  const double exact = stage.share * static_cast<double>(agents.size());
  const auto wanted = std::max<size_t>(1, static_cast<size_t>(std::ceil(exact)));
  others.resize(std::min(others.size(), wanted > present ? wanted - present : 0));
  return others;
}

}  // namespace apk

// By annotation: the Gateway API has no field for it.
#include "control-plane/resources/agent_selector.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {

absl::StatusOr<AgentSelector> AgentSelectorOf(const v1::ObjectMeta& metadata) {
  AgentSelector selector;
  const auto found = metadata.annotations().find(kAgentSelectorAnnotation);
  if (found == metadata.annotations().end()) return selector;
  selector.text = TrimSpace(found->second);
  if (selector.text.empty()) {
    return absl::InvalidArgumentError("label selector: is empty; without it all agents are meant");
  }
  ASSIGN_OR_RETURN(selector.labels, LabelSelector::Parse(selector.text));
  return selector;
}

}  // namespace apk

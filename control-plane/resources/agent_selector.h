// Which agents a Gateway is for, by their labels. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "apk/v1/meta.pb.h"
#include "control-plane/resources/label_selector.h"

namespace apk {

// Of a Gateway: a label selector as kubectl writes it.
inline constexpr char kAgentSelectorAnnotation[] = "apk.dev/agent-selector";

struct AgentSelector {
  std::string text;  // "": of all agents.
  LabelSelector labels;

  bool operator==(const AgentSelector& other) const { return text == other.text; }
};

// What the annotation says; all agents where there is none. INVALID_ARGUMENT where it is no
// selector, or empty: what was meant to be written must not make all of none.
absl::StatusOr<AgentSelector> AgentSelectorOf(const v1::ObjectMeta& metadata);

}  // namespace apk

// Which objects a list or a watch is about. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "control-plane/kubernetes_api/request.h"
#include "control-plane/resources/label_selector.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

struct ListOptions {
  ResourcePath path;
  LabelSelector labels;
  bool selects_labels = false;
  std::optional<std::string> name;            // fieldSelector
  std::optional<std::string> namespace_name;  // fieldSelector

  // But for labels.
  bool Names(const ResourceKey& key) const;
  bool Selects(const google::protobuf::Message& object) const;
};

// 400 where a selector can't be read, or is of a field other than metadata.name and
// metadata.namespace.
absl::StatusOr<ListOptions> ParseListOptions(const ResourcePath& path, const ApiTarget& target);

}  // namespace apk

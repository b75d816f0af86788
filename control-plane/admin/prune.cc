// Membership is read from the objects themselves: it comes and goes with them.
#include "control-plane/admin/prune.h"

#include <algorithm>
#include <set>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/resources/own_objects.h"

namespace apk {
namespace {

bool IsNamespace(const ResourceKey& key) { return key.group.empty() && key.kind == "Namespace"; }

bool IsMember(const v1::Prune& prune, const LabelSelector& selector,
              const v1::ObjectMeta& metadata) {
  const auto noted = metadata.annotations().find(kApplySetAnnotation);
  return noted != metadata.annotations().end() && noted->second == prune.label_selector() &&
         selector.Matches(metadata.labels());
}

// Nothing that was not selected goes with its namespace.
absl::Status CheckNamespace(const ResourceSet& resources, const std::string& name,
                            const std::set<ResourceKey>& pruned) {
  for (const ResourcePtr& object : resources.InNamespace(name)) {
    const ResourceKey key = KeyOf(*object);
    if (pruned.contains(key)) continue;
    return absl::FailedPreconditionError(
        Concat("namespaces \"", name, "\" would be pruned, but has ", key.ToString(),
               ", which is not of the set: keep the Namespace in the files, or delete it by name "
               "with all that is in it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LabelSelector> ParsePrune(const v1::ApplyRequest& request) {
  if (request.prune().label_selector().empty()) {
    return absl::InvalidArgumentError(
        "pruning needs a label selector, which says what is of the set");
  }
  if (request.objects().empty()) {
    return absl::InvalidArgumentError(
        "there is nothing to apply, so that all of the set would be pruned: delete it instead");
  }
  return LabelSelector::Parse(request.prune().label_selector());
}

bool JoinSet(const v1::Prune& prune, const LabelSelector& selector,
             const std::vector<MessagePtr>& objects, v1::ApplyResponse& response) {
  bool good = true;
  for (size_t i = 0; i < objects.size(); ++i) {
    v1::ObjectMeta& metadata = *MutableMetadataOf(*objects[i]);
    (*metadata.mutable_annotations())[kApplySetAnnotation] = prune.label_selector();
    if (selector.Matches(metadata.labels())) continue;
    v1::Violation* const violation = response.add_violations();
    violation->set_severity(v1::Violation::ERROR);
    violation->set_object_index(static_cast<uint32_t>(i));
    *violation->mutable_key() = ToProto(KeyOf(*objects[i]));
    violation->set_field_path("metadata.labels");
    violation->set_message(
        Concat("the set is \"", prune.label_selector(), "\", which these labels are not"));
    violation->set_hint("give it the labels, or apply it without pruning");
    good = false;
  }
  return good;
}

absl::StatusOr<std::vector<ResourceKey>> FindPruned(const v1::Prune& prune,
                                                    const LabelSelector& selector,
                                                    const ResourceSet& resources,
                                                    const std::vector<ResourceKey>& applied) {
  std::set<ResourceKey> pruned;
  std::set<std::string> visited = {""};  // Namespaces.
  for (const auto& [key, object] : resources.resources()) {
    if (IsOwnObject(key) || ReasonToKeep(key).has_value()) continue;
    if (IsMember(prune, selector, MetadataOf(*object))) pruned.insert(key);
  }
  for (const ResourceKey& key : applied) {
    pruned.erase(key);
    visited.insert(key.namespace_name);
  }
  for (const ResourceKey& key : pruned) {
    if (IsNamespace(key)) visited.insert(key.name);
  }
  // Others may use the same selector elsewhere.
  std::erase_if(pruned,
                [&](const ResourceKey& key) { return !visited.contains(key.namespace_name); });
  for (const ResourceKey& key : pruned) {
    if (IsNamespace(key)) RETURN_IF_ERROR(CheckNamespace(resources, key.name, pruned));
  }
  return std::vector<ResourceKey>(pruned.begin(), pruned.end());
}

}  // namespace apk

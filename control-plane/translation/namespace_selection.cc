// Label selectors, as Kubernetes defines them.
#include "control-plane/translation/namespace_selection.h"

#include <algorithm>
#include <map>

#include "apk/v1/core.pb.h"

namespace apk {
namespace {

bool Matches(const v1::LabelSelectorRequirement& requirement,
             const std::map<std::string, std::string>& labels) {
  const auto found = labels.find(requirement.key());
  const bool listed =
      found != labels.end() && std::find(requirement.values().begin(), requirement.values().end(),
                                         found->second) != requirement.values().end();
  if (requirement.operator_() == "In") return listed;
  if (requirement.operator_() == "NotIn") return !listed;
  if (requirement.operator_() == "Exists") return found != labels.end();
  return found == labels.end();
}

bool Selects(const ResourceSet& resources, const v1::LabelSelector& selector,
             const std::string& namespace_name) {
  std::map<std::string, std::string> labels;
  const auto* const object = resources.Find<v1::Namespace>("", namespace_name);
  if (object != nullptr) {
    labels.insert(object->metadata().labels().begin(), object->metadata().labels().end());
  }
  labels["kubernetes.io/metadata.name"] = namespace_name;  // Kubernetes sets it on each.
  for (const auto& [key, value] : selector.match_labels()) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return std::all_of(selector.match_expressions().begin(), selector.match_expressions().end(),
                     [&labels](const auto& requirement) { return Matches(requirement, labels); });
}

template <class Namespaces>
bool Allowed(const ResourceSet& resources, const Namespaces& allowed, const std::string& own,
             const std::string& other) {
  if (allowed.from() == "All") return true;
  if (allowed.from() == "Same") return own == other;
  // A selector that says nothing selects nothing (metav1.LabelSelector: "a null selector").
  return allowed.from() == "Selector" && allowed.has_selector() &&
         Selects(resources, allowed.selector(), other);
}

}  // namespace

bool NamespaceAllowed(const ResourceSet& resources, const v1::RouteNamespaces& allowed,
                      const std::string& own, const std::string& other) {
  return Allowed(resources, allowed, own, other);
}

bool NamespaceAllowed(const ResourceSet& resources, const v1::ListenerNamespaces& allowed,
                      const std::string& own, const std::string& other) {
  return Allowed(resources, allowed, own, other);
}

}  // namespace apk

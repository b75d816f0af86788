// Field selectors: what Kubernetes promises for every kind, and no more.
#include "control-plane/kubernetes_api/list_options.h"

#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

absl::Status ParseFieldSelector(const std::string& text, ListOptions& options) {
  for (const std::string_view term : Split(text, ',')) {
    if (TrimSpace(term).empty()) continue;
    const size_t equals = term.find('=');
    const std::string_view field = TrimSpace(term.substr(0, equals));
    std::string_view value = equals == std::string_view::npos ? "" : term.substr(equals + 1);
    if (value.starts_with('=')) value.remove_prefix(1);
    std::optional<std::string>* wanted = nullptr;
    if (field == "metadata.name") wanted = &options.name;
    if (field == "metadata.namespace") wanted = &options.namespace_name;
    if (wanted == nullptr || equals == std::string_view::npos) {
      return absl::InvalidArgumentError(
          Concat("fieldSelector: \"", term,
                 "\" is not supported: metadata.name=… and metadata.namespace=… are"));
    }
    *wanted = std::string(value);
  }
  return absl::OkStatus();
}

}  // namespace

bool ListOptions::Names(const ResourceKey& key) const {
  return key.group == path.kind->group && key.kind == path.kind->name &&
         (path.namespace_name.empty() || key.namespace_name == path.namespace_name) &&
         (path.name.empty() || key.name == path.name) && (!name.has_value() || key.name == *name) &&
         (!namespace_name.has_value() || key.namespace_name == *namespace_name);
}

bool ListOptions::Selects(const google::protobuf::Message& object) const {
  return Names(KeyOf(object)) && (!selects_labels || labels.Matches(MetadataOf(object).labels()));
}

absl::StatusOr<ListOptions> ParseListOptions(const ResourcePath& path, const ApiTarget& target) {
  ListOptions options;
  options.path = path;
  const std::string labels = target.Query("labelSelector");
  ASSIGN_OR_RETURN(options.labels, LabelSelector::Parse(labels));
  options.selects_labels = !labels.empty();
  RETURN_IF_ERROR(ParseFieldSelector(target.Query("fieldSelector"), options));
  return options;
}

}  // namespace apk

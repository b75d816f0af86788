// The cells come from apkctl's table.
#include "control-plane/kubernetes_api/table.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "common/strings.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/kubernetes_api/object_form.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

std::string Capitalised(const std::string& header) {
  std::string name = ToLower(header);
  if (!name.empty()) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  return name;
}

Json ColumnsOf(const Kind& kind) {
  TableOptions options;
  const size_t narrow = HeaderOf(kind, options).size();
  options.wide = true;
  Json columns = Json::array();
  for (const std::string& header : HeaderOf(kind, options)) {
    columns.push_back({{"name", Capitalised(header)},
                       {"type", "string"},
                       {"format", header == "NAME" ? "name" : ""},
                       {"description", ""},
                       {"priority", columns.size() < narrow ? 0 : 1}});
  }
  return columns;
}

Json ObjectOf(const ResourcePtr& object, const ApiTableOptions& options) {
  Json whole = ToVersion(*object, options.version);
  if (options.include_object == "Object") return whole;
  whole["metadata"].erase("managedFields");
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", std::move(whole["metadata"])}};
}

}  // namespace

bool WantsTable(const std::string& accept) {
  for (const std::string_view range : Split(accept, ',')) {
    bool json = false;
    bool other_form = false;
    bool table = false;
    for (const std::string_view part : Split(range, ';')) {
      const std::string_view word = TrimSpace(part);
      json = json || word == "application/json" || word == "*/*";
      table = table || word == "as=Table";
      other_form = other_form || (word.starts_with("as=") && word != "as=Table") ||
                   (word.starts_with("v=") && word != "v=v1");
    }
    if (json && !other_form) return table;
  }
  return false;
}

Json MakeTable(const Kind& kind, const std::vector<ResourcePtr>& objects,
               const ApiTableOptions& options) {
  TableOptions cells;
  cells.wide = true;
  cells.now_unix_seconds = options.now_unix_seconds;
  Json rows = Json::array();
  for (const ResourcePtr& object : objects) {
    Json row{{"cells", RowOf(kind, *object, cells)}};
    if (options.include_object != "None") row["object"] = ObjectOf(object, options);
    rows.push_back(std::move(row));
  }
  Json metadata{{"resourceVersion", options.resource_version}};
  if (!options.continue_token.empty()) metadata["continue"] = options.continue_token;
  return {{"kind", "Table"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", std::move(metadata)},
          {"columnDefinitions", ColumnsOf(kind)},
          {"rows", std::move(rows)}};
}

}  // namespace apk

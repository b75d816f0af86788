// The same objects as JSON or as rows of a Table.
#include "control-plane/kubernetes_api/read.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/kubernetes_api/list_options.h"
#include "control-plane/kubernetes_api/object_form.h"
#include "control-plane/kubernetes_api/table.h"
#include "control-plane/resources/base64.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

struct Page {
  std::string revision;  // Of the first page.
  std::string after_namespace;
  std::string after_name;
  size_t limit = 0;  // 0: everything.
};

absl::StatusOr<uint64_t> ParseNumber(const std::string& name, const std::string& text) {
  uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && rest == text.data() + text.size()) return number;
  return absl::InvalidArgumentError(Concat(name, ": \"", text, "\" is no number"));
}

absl::StatusOr<Page> ParsePage(const ApiTarget& target, uint64_t revision) {
  Page page;
  page.revision = std::to_string(revision);
  if (const std::string limit = target.Query("limit"); !limit.empty()) {
    ASSIGN_OR_RETURN(page.limit, ParseNumber("limit", limit));
  }
  const std::string token = target.Query("continue");
  if (token.empty()) return page;
  const std::string text = DecodeBase64(token).value_or("");
  const std::vector<std::string_view> parts = Split(text, '/');
  if (parts.size() != 3) return absl::InvalidArgumentError("continue: no token of this server");
  page.revision = std::string(parts[0]);
  page.after_namespace = std::string(parts[1]);
  page.after_name = std::string(parts[2]);
  return page;
}

std::string TokenAfter(const Page& page, const google::protobuf::Message& object) {
  const ResourceKey key = KeyOf(object);
  return EncodeBase64(Concat(page.revision, "/", key.namespace_name, "/", key.name));
}

bool IsAfter(const Page& page, const google::protobuf::Message& object) {
  const ResourceKey key = KeyOf(object);
  return std::tie(key.namespace_name, key.name) > std::tie(page.after_namespace, page.after_name);
}

struct Selected {
  std::vector<ResourcePtr> objects;
  std::string continue_token;
};

Selected Select(const ResourceSet& resources, const ListOptions& options, const Page& page) {
  Selected selected;
  const Kind& kind = *options.path.kind;
  const bool first = page.after_name.empty();
  for (ResourcePtr& object : resources.OfKind(kind.group, kind.name, options.path.namespace_name)) {
    if ((!first && !IsAfter(page, *object)) || !options.Selects(*object)) continue;
    if (page.limit > 0 && selected.objects.size() == page.limit) {
      selected.continue_token = TokenAfter(page, *selected.objects.back());
      break;
    }
    selected.objects.push_back(std::move(object));
  }
  return selected;
}

ApiTableOptions TableOptionsOf(const ResourcePath& path, const ApiTarget& target) {
  ApiTableOptions options;
  options.version = path.version;
  if (const std::string include = target.Query("includeObject"); !include.empty()) {
    options.include_object = include;
  }
  options.now_unix_seconds = std::time(nullptr);
  return options;
}

// A client that has seen a later state than this must not be answered from an earlier one.
absl::Status CheckRevision(const ApiTarget& target, uint64_t revision) {
  const std::string wanted = target.Query("resourceVersion");
  if (wanted.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t number, ParseNumber("resourceVersion", wanted));
  if (number > revision) {
    return ApiError(
        504, "Timeout",
        Concat("Too large resource version: ", wanted, ", current: ", std::to_string(revision)));
  }
  if (target.Query("resourceVersionMatch") == "Exact" && number != revision) {
    return absl::OutOfRangeError(Concat("resourceVersion: the state of ", wanted, " is not kept"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> List(const Configuration::View& view, const ResourcePath& path,
                          const ApiTarget& target, bool as_table) {
  RETURN_IF_ERROR(CheckRevision(target, view.revision));
  ASSIGN_OR_RETURN(const ListOptions options, ParseListOptions(path, target));
  ASSIGN_OR_RETURN(const Page page, ParsePage(target, view.revision));
  const Selected selected = Select(*view.resources, options, page);
  const Kind& kind = *path.kind;
  if (as_table) {
    ApiTableOptions table = TableOptionsOf(path, target);
    table.resource_version = page.revision;
    table.continue_token = selected.continue_token;
    return MakeTable(kind, selected.objects, table);
  }
  Json metadata{{"resourceVersion", page.revision}};
  if (!selected.continue_token.empty()) metadata["continue"] = selected.continue_token;
  Json items = Json::array();
  for (const ResourcePtr& object : selected.objects) {
    items.push_back(ToVersion(*object, path.version));
  }
  return Json{{"kind", Concat(kind.name, "List")},
              {"apiVersion", ApiVersionOf(kind, path.version)},
              {"metadata", std::move(metadata)},
              {"items", std::move(items)}};
}

}  // namespace

ApiReply GetObject(const Configuration::View& view, const ResourcePath& path,
                   const ApiTarget& target, const std::string& accept) {
  const ResourceKey key{path.kind->group, path.kind->name, path.namespace_name, path.name};
  const ResourcePtr object = view.resources->Find(key);
  if (object == nullptr) return ErrorReply(NotFound(key));
  if (!WantsTable(accept)) return JsonReply(ToVersion(*object, path.version));
  ApiTableOptions options = TableOptionsOf(path, target);
  options.resource_version = MetadataOf(*object).resource_version();
  return JsonReply(MakeTable(*path.kind, {object}, options));
}

ApiReply ListObjects(const Configuration::View& view, const ResourcePath& path,
                     const ApiTarget& target, const std::string& accept) {
  const absl::StatusOr<Json> list = List(view, path, target, WantsTable(accept));
  return list.ok() ? JsonReply(*list) : ErrorReply(list.status());
}

}  // namespace apk

// A document names the operations and has the schemas of every message that the kinds reach.
#include "control-plane/kubernetes_api/openapi.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "common/strings.h"
#include "control-plane/kubernetes_api/discovery_documents.h"
#include "control-plane/kubernetes_api/openapi_schema.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

std::string PathOf(std::string_view group, std::string_view version) {
  return group.empty() ? Concat("api/", version) : Concat("apis/", group, "/", version);
}

Json GroupVersionKind(const Kind& kind, std::string_view version) {
  return {{"group", kind.group}, {"version", version}, {"kind", kind.name}};
}

Json Operation(const Kind& kind, std::string_view version, const char* action,
               const std::vector<std::string>& parameters) {
  Json named = Json::array();
  for (const std::string& parameter : parameters) {
    named.push_back({{"name", parameter}, {"in", "query"}, {"schema", {{"type", "string"}}}});
  }
  const Json content{{"application/json", Json::object()}};
  const Json answer{{"description", "OK"}, {"content", content}};
  return {{"x-kubernetes-action", action},
          {"x-kubernetes-group-version-kind", GroupVersionKind(kind, version)},
          {"parameters", std::move(named)},
          {"responses", {{"200", answer}}}};
}

Json Operations(const Kind& kind, std::string_view version) {
  const std::vector<std::string> writing = {"dryRun", "fieldManager", "fieldValidation"};
  Json patch =
      Operation(kind, version, "patch", {"dryRun", "fieldManager", "fieldValidation", "force"});
  Json types = Json::object();
  for (const char* const type : {"application/json-patch+json", "application/merge-patch+json",
                                 "application/apply-patch+yaml"}) {
    types[type] = Json::object();
  }
  patch["requestBody"] = {{"content", std::move(types)}};
  return {{"get", Operation(kind, version, "get", {})},
          {"put", Operation(kind, version, "put", writing)},
          {"patch", std::move(patch)},
          {"delete", Operation(kind, version, "delete", {"dryRun"})}};
}

Json CollectionOperations(const Kind& kind, std::string_view version) {
  return {
      {"get", Operation(kind, version, "list",
                        {"continue", "fieldSelector", "labelSelector", "limit", "watch"})},
      {"post", Operation(kind, version, "post", {"dryRun", "fieldManager", "fieldValidation"})}};
}

Json Schemas(const std::vector<const Kind*>& kinds, const std::string& version) {
  Json schemas = Json::object();
  std::set<const google::protobuf::Descriptor*> reached;
  std::vector<const google::protobuf::Descriptor*> waiting;
  for (const Kind* const kind : kinds) waiting.push_back(kind->descriptor);
  while (!waiting.empty()) {
    const auto* const message = waiting.back();
    waiting.pop_back();
    if (!reached.insert(message).second) continue;
    std::set<const google::protobuf::Descriptor*> used;
    schemas[SchemaNameOf(*message)] = SchemaOf(*message, version, used);
    waiting.insert(waiting.end(), used.begin(), used.end());
  }
  for (const Kind* const kind : kinds) {
    schemas[SchemaNameOf(*kind->descriptor)]["x-kubernetes-group-version-kind"] =
        Json::array({GroupVersionKind(*kind, version)});
  }
  return schemas;
}

}  // namespace

Json OpenApiIndex() {
  Json paths = Json::object();
  for (const GroupVersions& group : ServedGroups()) {
    for (const std::string& version : group.versions) {
      const std::string path = PathOf(group.group, version);
      // Clients keep a document as long as its hash is the same.
      const size_t hash = std::hash<std::string>()(Dump(*OpenApiDocument(group.group, version)));
      paths[path] = {
          {"serverRelativeURL", Concat("/openapi/v3/", path, "?hash=", std::to_string(hash))}};
    }
  }
  return {{"paths", std::move(paths)}};
}

std::optional<Json> OpenApiDocument(std::string_view group, std::string_view version) {
  std::vector<const Kind*> kinds;
  Json paths = Json::object();
  for (const Kind& kind : AllKinds()) {
    const bool served =
        std::find(kind.versions.begin(), kind.versions.end(), version) != kind.versions.end();
    if (kind.group != group || !served) continue;
    kinds.push_back(&kind);
    const std::string collection =
        Concat("/", PathOf(group, version), kind.cluster_scoped ? "/" : "/namespaces/{namespace}/",
               kind.plural);
    paths[collection] = CollectionOperations(kind, version);
    paths[collection + "/{name}"] = Operations(kind, version);
  }
  if (kinds.empty()) return std::nullopt;
  return Json{{"openapi", "3.0.0"},
              {"info", {{"title", "API gateway"}, {"version", APK_VERSION}}},
              {"paths", std::move(paths)},
              {"components", {{"schemas", Schemas(kinds, std::string(version))}}}};
}

}  // namespace apk

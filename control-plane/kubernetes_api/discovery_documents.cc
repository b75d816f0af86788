// All of it follows from the kind registry.
#include "control-plane/kubernetes_api/discovery_documents.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/strings.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

const Json kVerbs = {"create", "delete", "get", "list", "patch", "update", "watch"};

bool IsServed(const Kind& kind, std::string_view version) {
  return std::find(kind.versions.begin(), kind.versions.end(), version) != kind.versions.end();
}

std::string GroupVersionOf(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : Concat(group, "/", version);
}

// What `kubectl get all` shows: as in Kubernetes nothing that is of no namespace, and no settings.
bool IsOfAll(const Kind& kind) {
  return !kind.cluster_scoped && (!kind.group.empty() || kind.name == "Service");
}

Json ResourceDocument(const Kind& kind) {
  Json resource{{"name", kind.plural},
                {"singularName", ToLower(kind.name)},
                {"namespaced", !kind.cluster_scoped},
                {"kind", kind.name},
                {"verbs", kVerbs}};
  if (!kind.short_names.empty()) resource["shortNames"] = kind.short_names;
  if (IsOfAll(kind)) resource["categories"] = {"all"};
  return resource;
}

Json AggregatedResource(const Kind& kind, const std::string& version) {
  Json resource{
      {"resource", kind.plural},
      {"responseKind", {{"group", kind.group}, {"version", version}, {"kind", kind.name}}},
      {"scope", kind.cluster_scoped ? "Cluster" : "Namespaced"},
      {"singularResource", ToLower(kind.name)},
      {"verbs", kVerbs}};
  if (!kind.short_names.empty()) resource["shortNames"] = kind.short_names;
  if (IsOfAll(kind)) resource["categories"] = {"all"};
  return resource;
}

Json AggregatedGroup(const GroupVersions& group) {
  Json versions = Json::array();
  for (const std::string& version : group.versions) {
    Json resources = Json::array();
    for (const Kind& kind : AllKinds()) {
      if (kind.group == group.group && IsServed(kind, version)) {
        resources.push_back(AggregatedResource(kind, version));
      }
    }
    versions.push_back(
        {{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}});
  }
  Json metadata = Json::object();
  if (!group.group.empty()) metadata["name"] = group.group;
  return {{"metadata", std::move(metadata)}, {"versions", std::move(versions)}};
}

// "v2" or "v2beta1"; "" where the client does not ask for it.
std::string AggregatedVersion(const std::string& accept) {
  for (const std::string_view range : Split(accept, ',')) {
    if (range.find("as=APIGroupDiscoveryList") == std::string_view::npos) continue;
    if (range.find("v=v2beta1") != std::string_view::npos) return "v2beta1";
    if (range.find("v=v2") != std::string_view::npos) return "v2";
  }
  return "";
}

ApiReply AggregatedReply(const std::string& version, Json items) {
  ApiReply reply = JsonReply({{"kind", "APIGroupDiscoveryList"},
                              {"apiVersion", Concat("apidiscovery.k8s.io/", version)},
                              {"metadata", Json::object()},
                              {"items", std::move(items)}});
  reply.content_type =
      Concat("application/json;g=apidiscovery.k8s.io;v=", version, ";as=APIGroupDiscoveryList");
  return reply;
}

Json DocumentOf(const GroupVersions& group) {
  Json versions = Json::array();
  for (const std::string& version : group.versions) {
    versions.push_back(
        {{"groupVersion", GroupVersionOf(group.group, version)}, {"version", version}});
  }
  Json preferred = versions[0];
  return {{"name", group.group},
          {"versions", std::move(versions)},
          {"preferredVersion", std::move(preferred)}};
}

}  // namespace

std::vector<GroupVersions> ServedGroups() {
  std::vector<GroupVersions> groups;
  for (const Kind& kind : AllKinds()) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const GroupVersions& known) {
      return known.group == kind.group;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), {kind.group, {}});
    for (const std::string& version : kind.versions) {
      auto& versions = group->versions;
      if (std::find(versions.begin(), versions.end(), version) == versions.end()) {
        versions.push_back(version);
      }
    }
  }
  // Kubernetes prefers v1 to v1beta1 to v1alpha3 to v1alpha2: the longest is never stable, and of
  // others the later is higher.
  for (GroupVersions& group : groups) {
    std::sort(group.versions.begin(), group.versions.end(),
              [](const std::string& a, const std::string& b) {
                const auto rank = [](const std::string& version) {
                  if (version.find("alpha") != std::string::npos) return 0;
                  return version.find("beta") != std::string::npos ? 1 : 2;
                };
                return rank(a) != rank(b) ? rank(a) > rank(b) : a > b;
              });
  }
  return groups;
}

Json VersionDocument() {
  return {{"major", "1"},    {"minor", "34"},      {"gitVersion", "v1.34.0+apk." APK_VERSION},
          {"gitCommit", ""}, {"gitTreeState", ""}, {"buildDate", ""},
          {"goVersion", ""}, {"compiler", ""},     {"platform", ""}};
}

ApiReply DiscoverCore(const std::string& accept) {
  const std::string aggregated = AggregatedVersion(accept);
  if (aggregated.empty()) {
    return JsonReply({{"kind", "APIVersions"},
                      {"versions", {"v1"}},
                      {"serverAddressByClientCIDRs", Json::array()}});
  }
  Json items = Json::array();
  for (const GroupVersions& group : ServedGroups()) {
    if (group.group.empty()) items.push_back(AggregatedGroup(group));
  }
  return AggregatedReply(aggregated, std::move(items));
}

ApiReply DiscoverGroups(const std::string& accept) {
  const std::string aggregated = AggregatedVersion(accept);
  Json items = Json::array();
  for (const GroupVersions& group : ServedGroups()) {
    if (group.group.empty()) continue;
    items.push_back(aggregated.empty() ? DocumentOf(group) : AggregatedGroup(group));
  }
  if (!aggregated.empty()) return AggregatedReply(aggregated, std::move(items));
  return JsonReply({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(items)}});
}

std::optional<Json> GroupDocument(std::string_view group) {
  for (const GroupVersions& known : ServedGroups()) {
    if (group.empty() || known.group != group) continue;
    Json document = DocumentOf(known);
    document["kind"] = "APIGroup";
    document["apiVersion"] = "v1";
    return document;
  }
  return std::nullopt;
}

std::optional<Json> ResourceListDocument(std::string_view group, std::string_view version) {
  Json resources = Json::array();
  for (const Kind& kind : AllKinds()) {
    if (kind.group == group && IsServed(kind, version)) resources.push_back(ResourceDocument(kind));
  }
  if (resources.empty()) return std::nullopt;
  return Json{{"kind", "APIResourceList"},
              {"apiVersion", "v1"},
              {"groupVersion", GroupVersionOf(group, version)},
              {"resources", std::move(resources)}};
}

}  // namespace apk

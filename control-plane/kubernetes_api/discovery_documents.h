// What there is: versions, groups and resources, as clients ask for them before anything else.
// Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "control-plane/kubernetes_api/reply.h"

namespace apk {

// /version. The version of Kubernetes is the one whose API this is a part of.
nlohmann::ordered_json VersionDocument();

// /api and /apis, aggregated (apidiscovery.k8s.io/v2 or v2beta1) where the Accept header asks so.
ApiReply DiscoverCore(const std::string& accept);
ApiReply DiscoverGroups(const std::string& accept);

// /apis/<group>; nullopt where there is none.
std::optional<nlohmann::ordered_json> GroupDocument(std::string_view group);
// /api/v1 (group "") and /apis/<group>/<version>; nullopt where there is none.
std::optional<nlohmann::ordered_json> ResourceListDocument(std::string_view group,
                                                           std::string_view version);

// Groups, core first as "", and the versions of each, the preferred one first.
struct GroupVersions {
  std::string group;
  std::vector<std::string> versions;
};
std::vector<GroupVersions> ServedGroups();

}  // namespace apk

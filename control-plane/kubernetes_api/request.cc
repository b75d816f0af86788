// Boost.URL takes targets apart; what the segments mean is said here.
#include "control-plane/kubernetes_api/request.h"

#include <algorithm>
#include <boost/url/parse.hpp>

#include "common/strings.h"

namespace apk {
namespace {

constexpr char kNoResource[] = "the server could not find the requested resource";

const Kind* FindServed(const ResourcePath& path) {
  for (const Kind& kind : AllKinds()) {
    if (kind.group != path.group || kind.plural != path.plural) continue;
    const bool served =
        std::find(kind.versions.begin(), kind.versions.end(), path.version) != kind.versions.end();
    return served ? &kind : nullptr;
  }
  return nullptr;
}

}  // namespace

std::string ApiTarget::Query(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

bool ApiTarget::Flag(const std::string& name) const {
  const auto found = query.find(name);
  return found != query.end() && found->second != "false" && found->second != "0";
}

absl::StatusOr<ApiTarget> ParseTarget(const std::string& target) {
  const auto parsed = boost::urls::parse_origin_form(target);
  if (!parsed) return absl::InvalidArgumentError("the request's target is no path");
  ApiTarget result;
  for (const auto& segment : parsed->segments()) result.segments.emplace_back(segment);
  if (!result.segments.empty() && result.segments.back().empty()) result.segments.pop_back();
  boost::urls::encoding_opts decoding;
  decoding.space_as_plus = true;
  for (const auto& parameter : parsed->params(decoding)) {
    result.query.insert_or_assign(std::string(parameter.key), std::string(parameter.value));
  }
  return result;
}

absl::StatusOr<ResourcePath> ParseResourcePath(const ApiTarget& target) {
  std::vector<std::string> rest = target.segments;
  ResourcePath path;
  const size_t prefix = !rest.empty() && rest[0] == "api" ? 2 : 3;
  if (rest.size() <= prefix || (rest[0] != "api" && rest[0] != "apis") ||
      rest.size() > prefix + 5) {
    return absl::NotFoundError(kNoResource);
  }
  path.group = prefix == 3 ? rest[1] : "";
  path.version = rest[prefix - 1];
  rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(prefix));
  const bool of_namespace_itself =
      rest.size() == 3 && path.group.empty() && (rest[2] == "status" || rest[2] == "finalize");
  if (rest[0] == "namespaces" && rest.size() >= 3 && !of_namespace_itself) {
    path.namespace_name = rest[1];
    rest.erase(rest.begin(), rest.begin() + 2);
  }
  if (rest.size() > 3) return absl::NotFoundError(kNoResource);
  path.plural = rest[0];
  if (rest.size() > 1) path.name = rest[1];
  if (rest.size() > 2) path.subresource = rest[2];
  path.kind = FindServed(path);
  const bool events = path.group.empty() && path.version == "v1" && path.plural == "events";
  const bool fits = path.kind == nullptr        ? events
                    : path.kind->cluster_scoped ? path.namespace_name.empty()
                                                : path.name.empty() || !path.namespace_name.empty();
  if (!fits) return absl::NotFoundError(kNoResource);
  return path;
}

}  // namespace apk

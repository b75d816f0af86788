// A request of the Kubernetes API, and what its target names. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/access/principal.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {

struct ApiRequest {
  std::string method;
  std::string target;  // Path and query, as they came.
  std::string accept;
  std::string content_type;
  std::string user_agent;
  std::string body;
  Principal user;       // Who asks.
  std::string address;  // From where.
};

struct ApiTarget {
  std::vector<std::string> segments;         // Of the path, decoded.
  std::map<std::string, std::string> query;  // Decoded; of a name that stands twice, the last.

  // "" where it is not there.
  std::string Query(const std::string& name) const;
  // "true" or "1", as Kubernetes reads booleans; a name without a value counts, too.
  bool Flag(const std::string& name) const;
};

// INVALID_ARGUMENT where `target` is no path with a query (RFC 3986).
absl::StatusOr<ApiTarget> ParseTarget(const std::string& target);

// What a path below /api/v1 or /apis/<group>/<version> names.
struct ResourcePath {
  const Kind* kind = nullptr;  // nullptr for what is no kind of ours, such as events.
  std::string group;
  std::string version;
  std::string namespace_name;  // "": all of them, or a cluster-scoped kind.
  std::string plural;
  std::string name;  // "": the collection.
  std::string subresource;
};

// NOT_FOUND where the path can't name a resource, or its kind is not served in that version.
absl::StatusOr<ResourcePath> ParseResourcePath(const ApiTarget& target);

}  // namespace apk

// Whether one namespace lets another refer to what it has (Gateway API, ReferenceGrant). Pure.
#pragma once

#include <string_view>

#include "control-plane/resources/resource_set.h"

namespace apk {

struct ReferenceFrom {
  std::string_view group;
  std::string_view kind;
  std::string_view namespace_name;
};

// True within one namespace, or where a ReferenceGrant in the target's namespace says so.
bool ReferenceAllowed(const ResourceSet& resources, const ReferenceFrom& from,
                      const ResourceKey& to);

}  // namespace apk

// Which objects are to be blamed where agents refuse resources of a snapshot: those without whose
// changes the resources are what agents accepted. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/shared_snapshot.h"

namespace apk {

// `names`: of the resources that are refused of `after`. `changes`: between the two sets;
// `accepted`: what agents run of `before`. Few objects where there is a choice; none where no few
// objects explain it.
std::vector<ResourceKey> FindCulprits(const std::set<std::string>& names, const ResourceSet& before,
                                      const ResourceSet& after,
                                      const std::vector<ResourceKey>& changes,
                                      const SharedSnapshot& accepted);

// The object that a resource of that name is made of first of all: an HTTPRoute for
// "route/default/a". A key of nothing where there is no such object.
ResourceKey ObjectNamed(const std::string& resource);

}  // namespace apk

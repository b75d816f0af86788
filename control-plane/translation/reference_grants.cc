// A linear look through the grants: there are few.
#include "control-plane/translation/reference_grants.h"

#include "apk/v1/gateway.pb.h"

namespace apk {
namespace {

bool Grants(const v1::ReferenceGrantSpec& spec, const ReferenceFrom& from, const ResourceKey& to) {
  bool from_matches = false;
  for (const v1::ReferenceGrantFrom& entry : spec.from()) {
    from_matches = from_matches || (entry.group() == from.group && entry.kind() == from.kind &&
                                    entry.namespace_() == from.namespace_name);
  }
  if (!from_matches) return false;
  for (const v1::ReferenceGrantTo& entry : spec.to()) {
    if (entry.group() == to.group && entry.kind() == to.kind &&
        (entry.name().empty() || entry.name() == to.name)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool ReferenceAllowed(const ResourceSet& resources, const ReferenceFrom& from,
                      const ResourceKey& to) {
  if (from.namespace_name == to.namespace_name) return true;
  for (const v1::ReferenceGrant* const grant : resources.All<v1::ReferenceGrant>()) {
    if (grant->metadata().namespace_() == to.namespace_name && Grants(grant->spec(), from, to)) {
      return true;
    }
  }
  return false;
}

}  // namespace apk

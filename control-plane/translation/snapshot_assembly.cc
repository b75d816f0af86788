// A map by name.
#include "control-plane/translation/snapshot_assembly.h"

namespace apk {

v1::SnapshotResource& SnapshotAssembly::Resource(const std::string& name) {
  v1::SnapshotResource& resource = resources_[name];
  resource.set_name(name);
  return resource;
}

std::vector<SharedResource> SnapshotAssembly::Take() {
  std::vector<SharedResource> taken;
  for (auto& [name, resource] : resources_) {
    SharedResource sealed = Seal(std::move(resource));
    if (sealed != nullptr) taken.push_back(std::move(sealed));
  }
  resources_.clear();
  return taken;
}

}  // namespace apk

// A part of a snapshot in the making: resources by name. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "control-plane/translation/shared_snapshot.h"

namespace apk {

class SnapshotAssembly {
 public:
  // The resource of that name, made empty at first use; its body decides what it is.
  v1::SnapshotResource& Resource(const std::string& name);
  bool Has(const std::string& name) const { return resources_.contains(name); }

  // Those with a body, sorted by name and sealed.
  std::vector<SharedResource> Take();

 private:
  std::map<std::string, v1::SnapshotResource> resources_;
};

}  // namespace apk

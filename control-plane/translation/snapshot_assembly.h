// A snapshot in the making: resources by name, then hashes and the version. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "apk/v1/snapshot.pb.h"

namespace apk {

class SnapshotAssembly {
 public:
  // The resource of that name, made empty at first use; its body decides what it is.
  v1::SnapshotResource& Resource(const std::string& name);
  bool Has(const std::string& name) const { return resources_.contains(name); }

  // Sorted, hashed (see snapshot.proto) and versioned.
  v1::Snapshot Finish(uint64_t revision);

 private:
  std::map<std::string, v1::SnapshotResource> resources_;
};

}  // namespace apk

// What one snapshot differs by from another, and the bytes by which that is sent: made once,
// whoever gets them. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "control-plane/translation/shared_snapshot.h"

namespace apk {

struct Difference {
  std::vector<SharedResource> resources = {};  // New, or others than before.
  std::vector<std::string> removed = {};       // Names.
  std::vector<uint64_t> removed_held = {};     // As in DiscoveryResponse.
};

// Both are sorted by name, and share the resources that did not change. `before` is nullptr for
// nothing.
Difference DifferenceBetween(const SharedSnapshot* before, const SharedSnapshot& after);

// Each part is the bytes of a DiscoveryResponse, or, of the last one, its beginning: what is of one
// stream alone follows.
struct EncodedDifference {
  std::vector<std::shared_ptr<const std::string>> parts;  // At least one.

  size_t size() const;
};
using EncodedDifferencePtr = std::shared_ptr<const EncodedDifference>;

// `parts`: as can_take_parts in DiscoveryRequest; without it there is one, however large it is.
EncodedDifferencePtr Encode(const Difference& difference, bool parts);

}  // namespace apk

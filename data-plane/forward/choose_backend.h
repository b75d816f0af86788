// A draw by weight.
#pragma once

#include <vector>

#include "data-plane/forward/worker_context.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// nullptr where no backend has a weight. `total_weight` is theirs.
inline const WeightedBackend* ChooseBackend(const std::vector<WeightedBackend>& backends,
                                            uint64_t total_weight, FastRandom& random) {
  if (total_weight == 0) return nullptr;
  if (backends.size() == 1) return &backends.front();
  uint64_t ticket = random.Below(total_weight);
  for (const WeightedBackend& backend : backends) {
    if (ticket < backend.weight) return &backend;
    ticket -= backend.weight;
  }
  return nullptr;
}

}  // namespace apk

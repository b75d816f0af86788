// What is different between two states of the resources, as far as translation is concerned. Pure.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>

#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/read_log.h"

namespace apk {

struct Changes {
  absl::flat_hash_set<uint64_t> reads;  // Who read one of these must read it again.

  // True where a piece that read this must be made again.
  bool Touch(const Reads& reads_of_piece) const;
};

// An object whose status and resourceVersion alone differ counts as the same.
Changes FindChanges(const ResourceSet& before, const ResourceSet& after);

}  // namespace apk

// Translate() for one configuration that changes bit by bit: what read nothing that changed is
// taken over from the last time. The outcome is that of Translate(), byte for byte. Not
// thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control-plane/resources/resource_set.h"
#include "control-plane/translation/snapshot_slices.h"
#include "control-plane/translation/translate.h"

namespace apk {

class Translator {
 public:
  Translator();
  ~Translator();

  struct Result {
    SlicesPtr snapshot;
    ResourceSet resources;  // With the new statuses.
    // As Translation has them, with the resourceVersion that `revision` gives them.
    std::vector<ResourcePtr> status_updates;
    int routes_translated = 0;  // The others were taken over.
  };

  // `served`: what agents are to run in the place of it where something of it is held back, so that
  // statuses say what is true of that; nullptr: nothing is. Any set may follow any other, but
  // objects of one uid and generation have the same spec, and objects in a set never change. A set
  // that nobody else has a copy of takes the statuses without one.
  Result Translate(ResourceSet resources, const FleetReport& fleet, uint64_t revision,
                   const std::string& now, const SlicesPtr& served = nullptr);

 private:
  struct Memory;
  class Pass;
  std::unique_ptr<Memory> memory_;
};

}  // namespace apk

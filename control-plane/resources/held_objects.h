// Objects of which agents refuse what was applied: wherever one is just that, what was accepted of
// it stands in its place. Pure: the same set and the same objects give the same set, anywhere.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <vector>

#include "control-plane/resources/resource_set.h"

namespace apk {

struct HeldObject {
  uint64_t id = 0;
  ResourceKey key;
  std::string refused;   // ContentDigest of it.
  ResourcePtr accepted;  // nullptr: it was not there.
};

// Of all that its writer says in an object, and of nothing that the control plane adds; "" for
// nullptr.
std::string ContentDigest(const google::protobuf::Message* object);

// Puts what was accepted in the place of what is refused; the ids of those that were.
std::vector<uint64_t> HoldBackIn(ResourceSet& resources, const std::vector<HeldObject>& held);
// The ids of those that would be.
std::vector<uint64_t> HeldIn(const ResourceSet& resources, const std::vector<HeldObject>& held);

std::vector<uint64_t> IdsOf(const std::vector<HeldObject>& held);

}  // namespace apk

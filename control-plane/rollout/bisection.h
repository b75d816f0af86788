// Finds the objects that an agent refuses without saying which: it tries the changes bit by bit.
// Nothing that anybody else runs is another meanwhile. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "apk/v1/store.pb.h"
#include "control-plane/resources/held_objects.h"

namespace apk {

// What is different between the two, in the order in which it was changed: everybody who asks gets
// the same.
std::vector<ResourceKey> ChangesBetween(const ResourceSet& before, const ResourceSet& after);

// The first thing to try. REQUIRES: the bisection says how many changes there are, one at least.
// True where it has an end: `found` is all that is refused.
bool Begin(int64_t now_ms, v1::StoredBisection& bisection);
// What is next after what was tried.
bool Answered(bool accepted, v1::StoredBisection& bisection);
// Too many are refused for it to go on, or it takes too long.
bool IsHopeless(const v1::StoredBisection& bisection, int64_t now_ms);
// It has an end: the agent tries nothing any more.
void Return(bool given_up, v1::StoredBisection& bisection);
// The agent does not go back, and is not waited for.
bool IsOver(const v1::StoredBisection& bisection, int64_t now_ms);

// What is tried now: `after`, with what is not tried as it was before. `changes` are those between
// the two.
ResourceSet TriedOf(const v1::StoredBisection& bisection, const ResourceSet& before,
                    const ResourceSet& after, const std::vector<ResourceKey>& changes);

}  // namespace apk

// What of the newest revision is kept from agents, because they refuse it: as the store has it, and
// what is done with that. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "apk/v1/rollout.pb.h"
#include "apk/v1/store.pb.h"
#include "control-plane/resources/held_objects.h"

namespace apk {

// Of what is held back of the newest revision: a record has all of it.
inline constexpr size_t kHeldBytesMax = 512 * 1024;
inline constexpr int kHeldObjectsMax = 50;

// Why an object is to be held back.
struct RefusedObject {
  ResourceKey key;
  std::string agent;
  std::string message;
};

// What was given to agents and refused, and what they run in its place.
struct RefusedChange {
  uint64_t revision = 0;
  uint64_t accepted_revision = 0;
  uint64_t rollout = 0;
  uint32_t agents = 0;                     // That refuse it.
  const ResourceSet* resources = nullptr;  // Of `revision`, as they were given.
  const ResourceSet* accepted = nullptr;
};

// Those with these ids; those that are not lifted. Objects of a kind that is not known here are
// left out.
std::vector<HeldObject> ObjectsOf(const v1::StoredHeld& held,
                                  const google::protobuf::RepeatedField<uint64_t>& ids);
std::vector<HeldObject> InForce(const v1::StoredHeld& held);
bool AnythingInForce(const v1::StoredHeld& held);

// Holds the objects back from now on. False where that is too much; nothing is changed then.
// `applying`: ids of what the newest revision has: the others make room, the oldest first, unless
// `state` goes by them.
bool HoldBack(const RefusedChange& change, const std::vector<RefusedObject>& objects,
              const v1::StoredRollout& state, const std::vector<uint64_t>& applying, int64_t now_ms,
              v1::StoredHeld& held);
// What a backup had, into a store that holds nothing back: under ids that neither has given to
// anything.
void TakeOver(const v1::StoredHeld& backup, int64_t now_ms, v1::StoredHeld& held);
// Agents are given all of it anew.
void LiftAll(v1::StoredHeld& held);
// Leaves out what nobody goes by any more: what was lifted, and what the newest revision does not
// have for a while. False where there is no such thing.
bool Forget(const v1::StoredRollout& state, const std::vector<uint64_t>& applying, int64_t now_ms,
            v1::StoredHeld& held);

// For conditions.
std::string WhyHeld(const v1::StoredHeldObject& object);
// For users: what of the newest revision is held back.
std::vector<v1::HeldObject> ToProto(const v1::StoredHeld& held,
                                    const std::vector<uint64_t>& applying);
ResourceKey HeldKey(const v1::StoredHeldObject& object);

}  // namespace apk

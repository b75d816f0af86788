// Whatever is changed is made anew and checked as a whole, so that a refusal leaves nothing behind.
#include "control-plane/rollout/quarantine.h"

#include <algorithm>
#include <memory>
#include <set>

#include "common/strings.h"
#include "common/time_format.h"
#include "control-plane/resources/object_bytes.h"

namespace apk {
namespace {

// So long a version that was refused is known again, and not tried anew.
constexpr int64_t kRememberedMs = 10 * 60 * 1000;
constexpr size_t kMessageBytesMax = 500;

bool Contains(const std::vector<uint64_t>& ids, uint64_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

std::optional<HeldObject> Read(const v1::StoredHeldObject& stored) {
  HeldObject object{
      .id = stored.id(), .key = HeldKey(stored), .refused = stored.refused(), .accepted = nullptr};
  if (stored.accepted().empty()) return object;
  absl::StatusOr<ResourcePtr> accepted =
      ParseObject(stored.group(), stored.kind(), stored.accepted());
  if (!accepted.ok()) return std::nullopt;
  object.accepted = *std::move(accepted);
  return object;
}

// Without its status, which is none of what agents get.
std::string BytesOf(const google::protobuf::Message& object) {
  const std::unique_ptr<google::protobuf::Message> copy(object.New());
  copy->CopyFrom(object);
  const auto* const status = copy->GetDescriptor()->FindFieldByName("status");
  if (status != nullptr) copy->GetReflection()->ClearField(copy.get(), status);
  MutableMetadataOf(*copy)->clear_managed_fields();
  return DeterministicBytes(*copy);
}

v1::StoredHeldObject Store(const RefusedChange& change, const RefusedObject& refused,
                           int64_t now_ms) {
  v1::StoredHeldObject stored;
  stored.set_group(refused.key.group);
  stored.set_kind(refused.key.kind);
  stored.set_namespace_(refused.key.namespace_name);
  stored.set_name(refused.key.name);
  stored.set_refused(ContentDigest(change.resources->Find(refused.key).get()));
  if (const ResourcePtr accepted = change.accepted->Find(refused.key); accepted != nullptr) {
    stored.set_accepted(BytesOf(*accepted));
  }
  stored.set_revision(change.revision);
  stored.set_accepted_revision(change.accepted_revision);
  stored.set_rollout(change.rollout);
  stored.set_agent(refused.agent);
  stored.set_message(std::string(CutUtf8(refused.message, kMessageBytesMax)));
  stored.set_agents(change.agents);
  stored.set_since_ms(now_ms);
  return stored;
}

bool SameRefusal(const v1::StoredHeldObject& a, const v1::StoredHeldObject& b) {
  return HeldKey(a) == HeldKey(b) && a.refused() == b.refused();
}

struct Size {
  int objects = 0;
  size_t bytes = 0;

  void Add(const v1::StoredHeldObject& object) {
    ++objects;
    bytes += object.ByteSizeLong();
  }
  bool TooMuch() const { return objects > kHeldObjectsMax || bytes > kHeldBytesMax; }
};

// Of those that rollouts, or a search, go by.
std::set<uint64_t> NeededBy(const v1::StoredRollout& state, const v1::StoredHeld& held) {
  std::set<uint64_t> needed(state.promoted_held().begin(), state.promoted_held().end());
  needed.insert(state.held().begin(), state.held().end());
  needed.insert(held.bisection().base_held().begin(), held.bisection().base_held().end());
  needed.insert(held.bisection().held().begin(), held.bisection().held().end());
  return needed;
}

// False where what is to be held back now is too much. REQUIRES: the oldest come first.
bool MakeRoom(const std::set<uint64_t>& needed, const std::set<uint64_t>& applying,
              v1::StoredHeld& held) {
  const auto applies = [&applying](const v1::StoredHeldObject& object) {
    return !object.lifted() && applying.contains(object.id());
  };
  Size all;
  Size held_back;
  for (const v1::StoredHeldObject& object : held.objects()) {
    all.Add(object);
    if (applies(object)) held_back.Add(object);
  }
  if (held_back.TooMuch()) return false;
  auto& objects = *held.mutable_objects();
  for (auto object = objects.begin(); object != objects.end() && all.TooMuch();) {
    if (applies(*object) || needed.contains(object->id())) {
      ++object;
      continue;
    }
    --all.objects;
    all.bytes -= object->ByteSizeLong();
    object = objects.erase(object);
  }
  return true;
}

}  // namespace

ResourceKey HeldKey(const v1::StoredHeldObject& object) {
  return {.group = object.group(),
          .kind = object.kind(),
          .namespace_name = object.namespace_(),
          .name = object.name()};
}

std::vector<HeldObject> ObjectsOf(const v1::StoredHeld& held,
                                  const google::protobuf::RepeatedField<uint64_t>& ids) {
  std::vector<HeldObject> objects;
  for (const uint64_t id : ids) {
    for (const v1::StoredHeldObject& stored : held.objects()) {
      if (stored.id() != id) continue;
      if (std::optional<HeldObject> object = Read(stored)) objects.push_back(*std::move(object));
    }
  }
  return objects;
}

std::vector<HeldObject> InForce(const v1::StoredHeld& held) {
  google::protobuf::RepeatedField<uint64_t> ids;
  for (const v1::StoredHeldObject& stored : held.objects()) {
    if (!stored.lifted()) ids.Add(stored.id());
  }
  return ObjectsOf(held, ids);
}

bool AnythingInForce(const v1::StoredHeld& held) {
  return std::any_of(held.objects().begin(), held.objects().end(),
                     [](const v1::StoredHeldObject& object) { return !object.lifted(); });
}

bool HoldBack(const RefusedChange& change, const std::vector<RefusedObject>& objects,
              const v1::StoredRollout& state, const std::vector<uint64_t>& applying, int64_t now_ms,
              v1::StoredHeld& held) {
  v1::StoredHeld next = held;
  std::set<uint64_t> apply(applying.begin(), applying.end());
  for (const RefusedObject& refused : objects) {
    v1::StoredHeldObject stored = Store(change, refused, now_ms);
    for (v1::StoredHeldObject& known : *next.mutable_objects()) {
      if (SameRefusal(known, stored)) known.set_lifted(true);
    }
    stored.set_id(next.last_id() + 1);
    next.set_last_id(stored.id());
    apply.insert(stored.id());
    *next.add_objects() = std::move(stored);
  }
  if (!MakeRoom(NeededBy(state, next), apply, next)) return false;
  held = std::move(next);
  return true;
}

void TakeOver(const v1::StoredHeld& backup, int64_t now_ms, v1::StoredHeld& held) {
  held.set_last_id(std::max(held.last_id(), backup.last_id()));
  for (const v1::StoredHeldObject& object : backup.objects()) {
    v1::StoredHeldObject& taken = *held.add_objects();
    taken = object;
    taken.set_id(held.last_id() + 1);
    taken.set_since_ms(now_ms);  // It is not forgotten before the objects are there.
    held.set_last_id(taken.id());
  }
}

void LiftAll(v1::StoredHeld& held) {
  for (v1::StoredHeldObject& object : *held.mutable_objects()) object.set_lifted(true);
}

bool Forget(const v1::StoredRollout& state, const std::vector<uint64_t>& applying, int64_t now_ms,
            v1::StoredHeld& held) {
  const std::set<uint64_t> needed = NeededBy(state, held);
  v1::StoredHeld next = held;
  next.clear_objects();
  for (const v1::StoredHeldObject& object : held.objects()) {
    const bool old = object.lifted() || (!Contains(applying, object.id()) &&
                                         now_ms - object.since_ms() > kRememberedMs);
    if (!old || needed.contains(object.id())) *next.add_objects() = object;
  }
  if (next.objects_size() == held.objects_size()) return false;
  held = std::move(next);
  return true;
}

std::string WhyHeld(const v1::StoredHeldObject& object) {
  std::string what = object.accepted().empty()
                         ? "agents go on without it"
                         : Concat("agents go on with what it was at revision ",
                                  std::to_string(object.accepted_revision()));
  if (object.refused().empty()) what = "agents go on with it, though it was deleted";
  return Concat("agent ", object.agent(), ": ", object.message(), "; ", what);
}

std::vector<v1::HeldObject> ToProto(const v1::StoredHeld& held,
                                    const std::vector<uint64_t>& applying) {
  std::vector<v1::HeldObject> objects;
  for (const v1::StoredHeldObject& stored : held.objects()) {
    if (stored.lifted() || !Contains(applying, stored.id())) continue;
    v1::HeldObject& object = objects.emplace_back();
    object.set_group(stored.group());
    object.set_kind(stored.kind());
    object.set_namespace_(stored.namespace_());
    object.set_name(stored.name());
    object.set_revision(stored.revision());
    object.set_accepted_revision(stored.accepted_revision());
    object.set_absent(stored.accepted().empty());
    object.set_agent(stored.agent());
    object.set_message(stored.message());
    object.set_agents(stored.agents());
    object.set_since(Rfc3339(stored.since_ms() / 1000));
    object.set_rollout(stored.rollout());
  }
  return objects;
}

}  // namespace apk

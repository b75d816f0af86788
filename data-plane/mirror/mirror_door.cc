// Budgets are checked here, on the worker's side, so that a body that can't be kept is not even
// copied in.
#include "data-plane/mirror/mirror_door.h"

namespace apk {

bool MirrorDoor::Push(MirrorEvent::Kind kind, const MirrorCopyPtr& copy, BodyChunk chunk) {
  MirrorEvent event;
  event.kind = kind;
  event.copy = copy;
  event.chunk = std::move(chunk);
  if (!ring_.TryPush(event)) return false;
  // Both sides exchange, so that one of them sees the other: no event is left lying.
  if (asleep_.exchange(false, std::memory_order_acq_rel)) wake_();
  return true;
}

bool MirrorDoor::Start(MirrorCopyPtr copy) {
  if (Push(MirrorEvent::Kind::kStart, copy)) return true;
  copy->stats->Count(MirrorResult::kDroppedQueue);
  return false;
}

void MirrorDoor::Lose(MirrorCopy& copy) {
  copy.lost.store(true, std::memory_order_release);
  lost_some_.store(true, std::memory_order_release);
}

bool MirrorDoor::Append(const MirrorCopyPtr& copy, const BodyChunk& chunk) {
  const uint64_t size = chunk->size();
  const MirrorBudget::Verdict verdict =
      budget_.Check(copy->held_bytes.load(std::memory_order_relaxed), size);
  if (verdict != MirrorBudget::Verdict::kOk) {
    const bool slow = verdict == MirrorBudget::Verdict::kCopyIsFull;
    const auto reason = slow ? MirrorEvent::Kind::kSlowReader : MirrorEvent::Kind::kOverBudget;
    if (!Push(reason, copy)) Lose(*copy);
    return false;
  }
  copy->held_bytes.fetch_add(size, std::memory_order_relaxed);
  budget_.total_bytes.fetch_add(size, std::memory_order_relaxed);
  if (Push(MirrorEvent::Kind::kChunk, copy, chunk)) return true;
  budget_.GiveBack(*copy, size);
  Lose(*copy);
  return false;
}

void MirrorDoor::End(const MirrorCopyPtr& copy, std::shared_ptr<const HeaderMap> trailers) {
  copy->trailers = std::move(trailers);
  if (!Push(MirrorEvent::Kind::kEnd, copy)) Lose(*copy);
}

void MirrorDoor::AbortByClient(const MirrorCopyPtr& copy) {
  if (!Push(MirrorEvent::Kind::kClientAborted, copy)) Lose(*copy);
}

}  // namespace apk

// The one door between primaries and mirrors. A worker puts copies through it and never waits,
// never locks, and never looks at anything that the mirror thread owns: what does not fit is
// dropped and counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/spsc_ring.h"
#include "data-plane/mirror/mirror_limits.h"
#include "data-plane/mirror/mirror_stats.h"
#include "data-plane/mirror/mirror_trace.h"
#include "data-plane/routing/route_table.h"

namespace apk {

class ClientExchange;
struct MirrorBody;

using BodyChunk = std::shared_ptr<const std::string>;

// One duplicated request. Made by a worker, immutable after its start but for the atomics and what
// is the mirror thread's.
struct MirrorCopy {
  std::shared_ptr<const RouteTable> table;  // Keeps `backend` alive.
  const Backend* backend = nullptr;
  size_t endpoint = 0;           // Index into the backend's; `head` names it as Host.
  MirrorStats* stats = nullptr;  // Of the registry, which outlives all copies.
  std::string head;              // Serialized, with this mirror's Host and base path.
  bool is_head_request = false;  // Its answer has no body.
  bool chunked = false;
  bool has_body = false;    // Body events follow.
  bool idempotent = false;  // May be sent again where a kept connection turns out to be dead.
  bool safe = false;        // May share a connection with others before it is answered.

  std::shared_ptr<const HeaderMap> trailers;  // Or nullptr. Set before kEnd, read after it.

  std::atomic<uint64_t> held_bytes{0};  // Body bytes given and not yet written.
  std::atomic<bool> lost{false};        // An event of it did not fit: it must not be completed.

  // The mirror thread's.
  std::shared_ptr<MirrorBody> body;    // Where has_body.
  ClientExchange* exchange = nullptr;  // While one carries it.
  uint64_t waiting_bytes = 0;          // Counted for it while it waits.
  TimePoint due;                       // When the mirror's time for it is up.
  bool alone = false;     // It was in a pipeline in vain: it gets its own exchange now.
  MirrorTrace trace;      // Told with it how it ended.
  bool finished = false;  // Counted: whatever comes of it is thrown away.
};

using MirrorCopyPtr = std::shared_ptr<MirrorCopy>;

struct MirrorEvent {
  enum class Kind : uint8_t {
    kNone,
    kStart,
    kChunk,
    kEnd,
    kClientAborted,
    kSlowReader,
    kOverBudget
  };
  Kind kind = Kind::kNone;
  MirrorCopyPtr copy;
  BodyChunk chunk;
};

// Body bytes held for mirrors, by all copies of the process. Thread-safe.
struct MirrorBudget {
  explicit MirrorBudget(const MirrorLimits& limits)
      : copy_bytes_max(limits.copy_bytes_max), total_bytes_max(limits.total_bytes_max) {}

  void GiveBack(MirrorCopy& copy, uint64_t bytes) {
    total_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    copy.held_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  }

  // How `size` bytes more for a copy that holds `held` would be refused.
  enum class Verdict : uint8_t { kOk, kCopyIsFull, kAllIsFull };
  Verdict Check(uint64_t held, uint64_t size) const {
    const uint64_t total = total_bytes.load(std::memory_order_relaxed) + size;
    const bool plenty = total <= total_bytes_max / 2 && held + size <= total_bytes_max / 4;
    if (held + size > copy_bytes_max && !plenty) return Verdict::kCopyIsFull;
    return total > total_bytes_max ? Verdict::kAllIsFull : Verdict::kOk;
  }

  const uint64_t copy_bytes_max;
  const uint64_t total_bytes_max;
  std::atomic<uint64_t> total_bytes{0};
};

// One worker's side. Used by that worker's thread only.
class MirrorDoor {
 public:
  static constexpr size_t kEventsMax = 8192;

  // `budget` is shared by all doors. `wake` tells the mirror thread to look; it must not wait.
  MirrorDoor(MirrorBudget& budget, std::function<void()> wake)
      : ring_(kEventsMax), budget_(budget), wake_(std::move(wake)) {}

  // False where the copy did not fit: it is counted as dropped.
  bool Start(MirrorCopyPtr copy);
  // False where this copy is over, counted by whoever ended it: give it no more.
  bool Append(const MirrorCopyPtr& copy, const BodyChunk& chunk);
  // `trailers`: fields behind the body, or nullptr.
  void End(const MirrorCopyPtr& copy, std::shared_ptr<const HeaderMap> trailers);
  void AbortByClient(const MirrorCopyPtr& copy);

  // For the mirror thread.
  bool TryPop(MirrorEvent& event) { return ring_.TryPop(event); }
  // Says that the mirror thread is about to wait; it must look once more after this.
  void Sleep() { asleep_.exchange(true, std::memory_order_acq_rel); }
  // True once after copies were marked as lost.
  bool TakeLost() { return lost_some_.exchange(false, std::memory_order_acq_rel); }

 private:
  bool Push(MirrorEvent::Kind kind, const MirrorCopyPtr& copy, BodyChunk chunk = nullptr);
  void Lose(MirrorCopy& copy);

  SpscRing<MirrorEvent> ring_;
  MirrorBudget& budget_;
  std::function<void()> wake_;
  std::atomic<bool> asleep_{true};
  std::atomic<bool> lost_some_{false};
};

}  // namespace apk

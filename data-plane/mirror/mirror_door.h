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
#include "data-plane/mirror/mirror_ring.h"
#include "data-plane/mirror/mirror_stats.h"
#include "data-plane/routing/route_table.h"

namespace apk {

using BodyChunk = std::shared_ptr<const std::string>;

// One duplicated request. Made by a worker, immutable after its start but for the atomics.
struct MirrorCopy {
  std::shared_ptr<const RouteTable> table;  // Keeps `backend` alive.
  const Backend* backend = nullptr;
  MirrorStats* stats = nullptr;  // Of the registry, which outlives all copies.
  std::string head;              // Serialized, with this mirror's Host and base path.
  bool is_head_request = false;  // Its answer has no body.
  bool chunked = false;
  bool has_body = false;  // Body events follow.
  TimePoint started;

  std::atomic<uint64_t> held_bytes{0};  // Body bytes given and not yet written.
  std::atomic<bool> lost{false};        // An event of it did not fit: it must not be completed.
};

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
  std::shared_ptr<MirrorCopy> copy;
  BodyChunk chunk;
};

struct MirrorBudget {
  size_t copy_bytes_max = 1024 * 1024;     // Body bytes held by one copy.
  uint64_t total_bytes_max = 64ULL << 20;  // By all copies of the process.
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
  bool Start(std::shared_ptr<MirrorCopy> copy);
  // False where this copy is over, counted by whoever ended it: give it no more.
  bool Append(const std::shared_ptr<MirrorCopy>& copy, const BodyChunk& chunk);
  void End(const std::shared_ptr<MirrorCopy>& copy);
  void AbortByClient(const std::shared_ptr<MirrorCopy>& copy);

  // For the mirror thread.
  bool TryPop(MirrorEvent& event) { return ring_.TryPop(event); }
  // Says that the mirror thread is about to wait; it must look once more after this.
  void Sleep() { asleep_.exchange(true, std::memory_order_acq_rel); }

 private:
  bool Push(MirrorEvent::Kind kind, const std::shared_ptr<MirrorCopy>& copy,
            BodyChunk chunk = nullptr);

  SpscRing<MirrorEvent> ring_;
  MirrorBudget& budget_;
  std::function<void()> wake_;
  std::atomic<bool> asleep_{true};
};

}  // namespace apk

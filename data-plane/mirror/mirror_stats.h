// Counters and gauges of mirrors, and their registry.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/strings.h"
#include "data-plane/mirror/mirror_refusal.h"
#include "data-plane/mirror/mirror_result.h"

namespace apk {

// What a mirror has under way, over all routes. Written by the mirror thread, read by any.
struct MirrorGauges {
  std::string mirror;
  std::atomic<uint64_t> waiting{0};        // Copies in its queue.
  std::atomic<uint64_t> in_flight{0};      // Copies that it has to answer.
  std::atomic<uint64_t> breakers_open{0};  // Of its endpoints.
  MirrorRefusal refusal;
};

// Counters of one mirror of one route. Thread-safe.
struct MirrorStats {
  std::string route;
  MirrorGauges* gauges = nullptr;  // Those of the mirror, as old as the registry.
  std::atomic<uint64_t> matched{0};
  std::array<std::atomic<uint64_t>, static_cast<size_t>(MirrorResult::kCount)> results{};
  std::atomic<uint64_t> responses_truncated{0};
  std::atomic<uint64_t> connections{0};  // Opened.

  void Count(MirrorResult result) {
    results[static_cast<size_t>(result)].fetch_add(1, std::memory_order_relaxed);
  }
};

// All of them, by name; they live as long as the registry and survive snapshots. Thread-safe.
class MirrorStatsRegistry {
 public:
  MirrorStats& Find(std::string_view route, std::string_view mirror);
  std::vector<const MirrorStats*> All() const;  // In the order they came up.
  std::vector<const MirrorGauges*> AllGauges() const;  // By name.

 private:
  MirrorGauges& FindGauges(std::string_view mirror);  // REQUIRES: mutex_ is held.

  mutable std::mutex mutex_;
  StringMap<std::unique_ptr<MirrorStats>> stats_;
  std::vector<const MirrorStats*> order_;
  std::map<std::string, std::unique_ptr<MirrorGauges>, std::less<>> gauges_;
};

}  // namespace apk

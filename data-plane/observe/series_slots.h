// What one worker counts for each series, found by its index. Grows in chunks that never move, so that any
// thread may read while the worker counts.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "data-plane/routing/series.h"

namespace apk {

// `Counts` is made of Counters.
template <class Counts>
class SeriesSlots {
 public:
  SeriesSlots() = default;
  ~SeriesSlots() {
    for (auto& chunk : chunks_) delete[] chunk.load();
  }
  SeriesSlots(const SeriesSlots&) = delete;
  SeriesSlots& operator=(const SeriesSlots&) = delete;

  // To count in; begins at 0 where the index had another name before. One thread.
  Counts& Mine(const Series& series) {
    const Place place = PlaceOf(series.index);
    Slot* chunk = chunks_[place.chunk].load(std::memory_order_relaxed);
    if (chunk == nullptr) {
      chunk = new Slot[kFirstChunk << place.chunk];
      chunks_[place.chunk].store(chunk, std::memory_order_release);
    }
    Slot& slot = chunk[place.offset];
    if (slot.generation.load(std::memory_order_relaxed) != series.generation) {
      std::destroy_at(&slot.counts);
      std::construct_at(&slot.counts);
      slot.generation.store(series.generation, std::memory_order_release);
    }
    return slot.counts;
  }
  // nullptr where nothing was counted yet. Valid for as long as the caller holds `series`. Thread-safe.
  const Counts* Find(const Series& series) const {
    const Place place = PlaceOf(series.index);
    const Slot* const chunk = chunks_[place.chunk].load(std::memory_order_acquire);
    if (chunk == nullptr) return nullptr;
    const Slot& slot = chunk[place.offset];
    const bool its = slot.generation.load(std::memory_order_acquire) == series.generation;
    return its ? &slot.counts : nullptr;
  }

 private:
  struct Slot {
    std::atomic<uint64_t> generation{0};
    Counts counts;
  };
  struct Place {
    uint32_t chunk;  // Each is twice as large as the one before.
    uint32_t offset;
  };
  static constexpr uint32_t kFirstChunk = 32;
  static constexpr uint32_t kChunks = 27;  // For any 32-bit index.

  static Place PlaceOf(uint32_t index) {
    const auto chunk = static_cast<uint32_t>(std::bit_width(index / kFirstChunk + 1)) - 1;
    return {chunk, index - kFirstChunk * ((1u << chunk) - 1)};
  }

  std::array<std::atomic<Slot*>, kChunks + 1> chunks_{};
};

}  // namespace apk

// What notes a block must not allocate: all room is made before.
#include "data-plane/observe/heap_profiler.h"

#include <execinfo.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace apk {
namespace {

// NoteAllocation and the operator that called it; who wanted the memory comes next.
constexpr int kOwnFrames = 2;
constexpr uint32_t kNone = UINT32_MAX;
constexpr size_t kBuckets = 16'384;  // A power of two.

size_t BucketOf(const void* block) {
  return (reinterpret_cast<uintptr_t>(block) * 0x9E3779B97F4A7C15u) >> 32 & (kBuckets - 1);
}

// Of a part of the allocations whose sizes follow no rhythm of the program's: as pprof expects it,
// which multiplies them up again.
int64_t NextInterval() {
  static thread_local std::minstd_rand random(
      static_cast<unsigned>(std::hash<std::thread::id>()(std::this_thread::get_id()) | 1));
  const double share = (static_cast<double>(random()) + 1) / (std::minstd_rand::max() + 2.0);
  return static_cast<int64_t>(-std::log(share) * HeapProfiler::kBytesPerSample) + 1;
}

std::atomic<int> uses{0};             // Of `current_`, in any thread.
thread_local int64_t bytes_left = 0;  // Until the next sample.
thread_local bool noting = false;     // What it calls allocates.

struct Totals {
  size_t blocks = 0;
  size_t bytes = 0;
  size_t blocks_ever = 0;
  size_t bytes_ever = 0;
};

void AppendLine(std::string& out, const Totals& totals) {
  char line[128];
  const int size = std::snprintf(line, sizeof line, "%6zu: %8zu [%6zu: %8zu] @", totals.blocks,
                                 totals.bytes, totals.blocks_ever, totals.bytes_ever);
  out.append(line, static_cast<size_t>(size));
}

}  // namespace

struct HeapProfiler::Samples {
  struct Sample {
    void* block = nullptr;  // nullptr once it was freed.
    size_t size = 0;
    int depth = 0;
    uint32_t next = kNone;  // In its bucket.
    std::array<void*, kDepthMax + kOwnFrames> frames;
  };

  Samples() : all(kSamplesMax), buckets(kBuckets) {
    for (std::atomic<uint32_t>& bucket : buckets) bucket.store(kNone, std::memory_order_relaxed);
  }

  std::mutex mutex;
  std::vector<Sample> all;
  size_t taken = 0;
  // First of the samples in each. Read without the mutex: who frees a block got it from who
  // allocated it.
  std::vector<std::atomic<uint32_t>> buckets;
};

std::atomic<HeapProfiler::Samples*> HeapProfiler::current_{nullptr};

// The samples, which stay there for as long as this lives.
class HeapProfiler::Use {
 public:
  Use() {
    uses.fetch_add(1);
    samples_ = current_.load();
  }
  ~Use() { uses.fetch_sub(1); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Samples* samples() const { return samples_; }

 private:
  Samples* samples_;
};

[[gnu::noinline]] void HeapProfiler::NoteAllocation(void* block, size_t size) {
  if (block == nullptr || noting) return;
  bytes_left -= static_cast<int64_t>(size);
  if (bytes_left > 0) return;
  noting = true;
  {
    bytes_left = NextInterval();
    const Use use;
    if (Samples* const samples = use.samples(); samples != nullptr) {
      // Without the lock: the unwinder may take the loader's, and who holds that allocates.
      std::array<void*, kDepthMax + kOwnFrames> frames;
      const int depth = backtrace(frames.data(), static_cast<int>(frames.size()));
      const std::lock_guard lock(samples->mutex);
      if (samples->taken < samples->all.size()) {
        const auto index = static_cast<uint32_t>(samples->taken++);
        Samples::Sample& sample = samples->all[index];
        sample.block = block;
        sample.size = size;
        sample.depth = depth;
        sample.frames = frames;
        std::atomic<uint32_t>& bucket = samples->buckets[BucketOf(block)];
        sample.next = bucket.load(std::memory_order_relaxed);
        bucket.store(index, std::memory_order_relaxed);
      }
    }
  }
  noting = false;
}

void HeapProfiler::NoteFree(void* block) {
  if (block == nullptr || noting) return;
  const Use use;
  Samples* const samples = use.samples();
  if (samples == nullptr) return;
  std::atomic<uint32_t>& bucket = samples->buckets[BucketOf(block)];
  if (bucket.load(std::memory_order_relaxed) == kNone) return;
  const std::lock_guard lock(samples->mutex);
  uint32_t before = kNone;
  for (uint32_t index = bucket.load(std::memory_order_relaxed); index != kNone;
       before = index, index = samples->all[index].next) {
    Samples::Sample& sample = samples->all[index];
    if (sample.block != block) continue;
    sample.block = nullptr;
    if (before == kNone) {
      bucket.store(sample.next, std::memory_order_relaxed);
    } else {
      samples->all[before].next = sample.next;
    }
    return;
  }
}

HeapProfiler::HeapProfiler() {
  void* frame = nullptr;
  backtrace(&frame, 1);  // Loads what it needs at its first call.
}

HeapProfiler::~HeapProfiler() {
  if (samples_ != nullptr) Detach();
}

bool HeapProfiler::Start() {
  auto samples = std::make_unique<Samples>();
  Samples* nobody = nullptr;
  if (!current_.compare_exchange_strong(nobody, samples.get())) return false;
  samples_ = std::move(samples);
  return true;
}

void HeapProfiler::Detach() {
  current_.store(nullptr);
  while (uses.load() > 0) std::this_thread::yield();  // They take microseconds.
}

std::string HeapProfiler::Stop() {
  Detach();
  const std::unique_ptr<Samples> samples = std::move(samples_);
  std::map<std::vector<void*>, Totals> stacks;
  Totals all;
  for (size_t i = 0; i < samples->taken; ++i) {
    const Samples::Sample& sample = samples->all[i];
    if (sample.depth <= kOwnFrames) continue;
    std::vector<void*> stack(sample.frames.begin() + kOwnFrames,
                             sample.frames.begin() + sample.depth);
    for (Totals* const totals : {&stacks[std::move(stack)], &all}) {
      ++totals->blocks_ever;
      totals->bytes_ever += sample.size;
      if (sample.block == nullptr) continue;
      ++totals->blocks;
      totals->bytes += sample.size;
    }
  }
  std::string out = "heap profile: ";
  AppendLine(out, all);
  out.append(" heap_v2/").append(std::to_string(kBytesPerSample)).append("\n");
  for (const auto& [stack, totals] : stacks) {
    AppendLine(out, totals);
    for (void* const address : stack) {
      char text[24];
      std::snprintf(text, sizeof text, " %p", address);
      out.append(text);
    }
    out.append("\n");
  }
  out.append("\nMAPPED_LIBRARIES:\n");
  std::ifstream maps("/proc/self/maps");
  out.append(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>());
  return out;
}

}  // namespace apk

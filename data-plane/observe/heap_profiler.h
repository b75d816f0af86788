// Who asks for memory and who keeps it: of what is allocated while a profile is under way, a part is noted with its
// stack, until it is freed.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace apk {

// Sees what the program's operators new and delete tell it. Of several profilers one at a time is at work. One thread
// each.
class HeapProfiler {
 public:
  static constexpr size_t kBytesPerSample = 16 * 1024;  // On average.
  static constexpr size_t kSamplesMax = 32'768;         // Later ones are not noted.
  static constexpr size_t kDepthMax = 32;

  HeapProfiler();
  ~HeapProfiler();  // Stops.
  HeapProfiler(const HeapProfiler&) = delete;
  HeapProfiler& operator=(const HeapProfiler&) = delete;

  // False where a profile is under way.
  bool Start();
  // What was seen, for pprof: the sampled heap profile of gperftools (heap_v2). In use is what was allocated since
  // Start and not freed. REQUIRES: Start gave true since the last Stop.
  std::string Stop();

  // Any thread; nothing but a load while there is no profile. `block` may be nullptr.
  [[gnu::always_inline]] static void OnAllocate(void* block, size_t size) {
    if (current_.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
      NoteAllocation(block, size);
    }
  }
  // Before it is freed.
  [[gnu::always_inline]] static void OnFree(void* block) {
    if (current_.load(std::memory_order_relaxed) != nullptr) [[unlikely]] {
      NoteFree(block);
    }
  }

 private:
  struct Samples;
  class Use;

  static void NoteAllocation(void* block, size_t size);
  static void NoteFree(void* block);
  void Detach();

  static std::atomic<Samples*> current_;
  std::unique_ptr<Samples> samples_;
};

}  // namespace apk

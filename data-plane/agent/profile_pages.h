// What the admin port tells of the process itself: where its processor time goes, and its memory.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "data-plane/observe/admin_server.h"
#include "data-plane/observe/cpu_profiler.h"
#include "data-plane/observe/heap_profiler.h"

namespace apk {

// The admin server's thread only.
class ProfilePages {
 public:
  static constexpr int kSecondsMax = 60;
  static constexpr int kSecondsUsual = 10;

  // `heap`: what the allocator says of itself. `allocations_counted`: the HeapProfiler is told of them.
  ProfilePages(std::function<std::string()> heap, bool allocations_counted)
      : heap_(std::move(heap)), allocations_counted_(allocations_counted) {}

  // nullopt: the page is none of these. /profile/cpu?seconds=N and /profile/heap?seconds=N are answered when they
  // have passed: it outlives the server.
  std::optional<AdminResponse> Answer(const AdminRequest& request);

 private:
  AdminResponse Cpu(std::chrono::seconds time);
  AdminResponse Heap(std::chrono::seconds time);

  const std::function<std::string()> heap_;
  const bool allocations_counted_;
  CpuProfiler cpu_profiler_;
  HeapProfiler heap_profiler_;
};

}  // namespace apk

// What the admin port tells of the process itself: where its processor time goes, and its memory.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "data-plane/observe/admin_server.h"
#include "data-plane/observe/cpu_profiler.h"

namespace apk {

// The admin server's thread only.
class ProfilePages {
 public:
  static constexpr int kSecondsMax = 60;
  static constexpr int kSecondsUsual = 10;

  // `heap`: what the allocator says of itself.
  explicit ProfilePages(std::function<std::string()> heap) : heap_(std::move(heap)) {}

  // nullopt: the page is none of these. /profile/cpu?seconds=N is answered when they have passed:
  // it outlives the server.
  std::optional<AdminResponse> Answer(const AdminRequest& request);

 private:
  AdminResponse Cpu(std::string_view query);

  const std::function<std::string()> heap_;
  CpuProfiler profiler_;
};

}  // namespace apk

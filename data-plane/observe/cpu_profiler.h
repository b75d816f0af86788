// Where the process's processor time goes: the stacks of its threads, looked at each time that so
// much of it was used (SIGPROF). A thread that waits is not looked at, nor woken.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace apk {

// There is one timer for it in a process: of several profilers one at a time is at work. One thread
// each.
class CpuProfiler {
 public:
  static constexpr int kSamplesPerSecond =
      100;  // Of processor time; fewer where memory would not do.
  static constexpr size_t kSamplesMax = 32'768;
  static constexpr size_t kDepthMax = 64;

  CpuProfiler();
  ~CpuProfiler();  // Stops.
  CpuProfiler(const CpuProfiler&) = delete;
  CpuProfiler& operator=(const CpuProfiler&) = delete;

  // Begins a profile that Stop ends after about `time`. False where one is under way.
  bool Start(std::chrono::seconds time);
  // What was seen, for pprof: the CPU profile of gperftools, with the mappings that addresses are
  // of. REQUIRES: Start gave true since the last Stop.
  std::string Stop();

 private:
  struct Samples;

  static void OnSignal(int signal);
  void Disarm();

  std::unique_ptr<Samples> samples_;
};

}  // namespace apk

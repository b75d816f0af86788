// The handler calls nothing that may lock: glibc finds unwind tables without (_dl_find_object), and
// libgcc, which would be loaded at the first call of backtrace, is asked once before.
#include "data-plane/observe/cpu_profiler.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>
#include <vector>

namespace apk {
namespace {

// Of the handler and what the kernel returns through; what was interrupted comes next.
constexpr int kOwnFrames = 2;

using Stack = std::vector<uintptr_t>;

void Append(std::string& out, uintptr_t word) {
  out.append(reinterpret_cast<const char*>(&word), sizeof word);
}

// Header, a record for each stack (how often, how deep, addresses from the inside), trailer,
// mappings. All words are the machine's.
std::string Format(uintptr_t period_us, const std::map<Stack, uintptr_t>& stacks) {
  std::string out;
  for (const uintptr_t word : {uintptr_t{0}, uintptr_t{3}, uintptr_t{0}, period_us, uintptr_t{0}}) {
    Append(out, word);
  }
  for (const auto& [stack, count] : stacks) {
    Append(out, count);
    Append(out, stack.size());
    for (const uintptr_t address : stack) Append(out, address);
  }
  for (const uintptr_t word : {0, 1, 0}) Append(out, word);
  std::ifstream maps("/proc/self/maps");
  out.append(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>());
  return out;
}

}  // namespace

struct CpuProfiler::Samples {
  struct Sample {
    std::array<void*, kDepthMax + kOwnFrames> frames;
    int depth = 0;  // Written last, by the thread that took it.
  };

  explicit Samples(size_t most) : all(most) {}

  std::vector<Sample> all;
  std::atomic<size_t> taken{0};
  int period_us = 0;
};

namespace {

// A handler has no other way to what it is for. nullptr: there is no profile.
std::atomic<void*> current{nullptr};
std::atomic<int> handlers{0};  // At work, in any thread.

}  // namespace

void CpuProfiler::OnSignal(int) {
  const int saved_errno = errno;
  handlers.fetch_add(1);
  if (auto* const samples = static_cast<Samples*>(current.load()); samples != nullptr) {
    const size_t index = samples->taken.fetch_add(1);
    if (index < samples->all.size()) {
      Samples::Sample& sample = samples->all[index];
      sample.depth = backtrace(sample.frames.data(), static_cast<int>(sample.frames.size()));
    }
  }
  handlers.fetch_sub(1);
  errno = saved_errno;
}

CpuProfiler::CpuProfiler() {
  void* frame = nullptr;
  backtrace(&frame, 1);
}

CpuProfiler::~CpuProfiler() {
  if (samples_ != nullptr) Disarm();
}

bool CpuProfiler::Start(std::chrono::seconds time) {
  const size_t cpus = std::max(1u, std::thread::hardware_concurrency());
  const size_t cpu_seconds = static_cast<size_t>(time.count()) * cpus;
  const size_t per_second =
      std::clamp<size_t>(kSamplesMax / std::max<size_t>(cpu_seconds, 1), 1, kSamplesPerSecond);
  auto samples = std::make_unique<Samples>(std::min(kSamplesMax, cpu_seconds * per_second));
  samples->period_us = static_cast<int>(1'000'000 / per_second);
  void* nobody = nullptr;
  if (!current.compare_exchange_strong(nobody, samples.get())) return false;
  samples_ = std::move(samples);

  // Stays for good: a signal may still be on its way when the timer is off, and would end the
  // process.
  struct sigaction action {};
  action.sa_handler = &CpuProfiler::OnSignal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGPROF, &action, nullptr);
  itimerval timer{};
  timer.it_interval = timer.it_value = {.tv_sec = samples_->period_us / 1'000'000,
                                        .tv_usec = samples_->period_us % 1'000'000};
  setitimer(ITIMER_PROF, &timer, nullptr);
  return true;
}

void CpuProfiler::Disarm() {
  const itimerval never{};
  setitimer(ITIMER_PROF, &never, nullptr);
  current.store(nullptr);
  while (handlers.load() > 0) std::this_thread::yield();  // They take microseconds.
}

std::string CpuProfiler::Stop() {
  Disarm();
  const std::unique_ptr<Samples> samples = std::move(samples_);
  std::map<Stack, uintptr_t> stacks;
  const size_t taken = std::min(samples->taken.load(), samples->all.size());
  for (size_t i = 0; i < taken; ++i) {
    const Samples::Sample& sample = samples->all[i];
    if (sample.depth <= kOwnFrames) continue;
    Stack stack;
    for (int frame = kOwnFrames; frame < sample.depth; ++frame) {
      stack.push_back(reinterpret_cast<uintptr_t>(sample.frames[static_cast<size_t>(frame)]));
    }
    ++stacks[std::move(stack)];
  }
  return Format(static_cast<uintptr_t>(samples->period_us), stacks);
}

}  // namespace apk

#include "common/thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace apk {
namespace {

// As sched_setattr(2) has it; its header and <sched.h> exclude each other.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};

constexpr uint64_t kShortestSlice = 100'000;  // Nanoseconds.

// Makes this thread nice. It also gets the shortest slices where the kernel has slices of a
// thread's own (Linux 6.12; sched_setattr(2)), so that others which wake on its core need not wait
// for milliseconds. What the kernel refuses is done without.
void BeNice(int nice) {
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  setpriority(PRIO_PROCESS, thread, nice);
  SchedulingAttributes attributes;
  attributes.nice = nice;
  attributes.runtime = kShortestSlice;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

Thread::Thread(std::string name, int nice, std::function<void()> body)
    : thread_([name = std::move(name), nice, body = std::move(body)] {
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        if (nice != 0) BeNice(nice);
        body();
      }) {}

}  // namespace apk

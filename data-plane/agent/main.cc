// apk-data-plane: the command line, and what concerns the whole process.
#include <signal.h>

#ifdef APK_MIMALLOC
#include <mimalloc.h>
#endif

#include <CLI/CLI.hpp>

#include "common/log.h"
#include "data-plane/agent/counted_allocation.h"
#include "data-plane/agent/flags.h"
#include "data-plane/agent/heap_statistics.h"
#include "data-plane/agent/program.h"
#include "data-plane/takeover/detach.h"

int main(int argc, char** argv) {
  apk::Flags flags;
  CLI::App app("The agent of the gateway: routes, forwards and mirrors requests", "apk-data-plane");
  apk::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  apk::Descriptor ready;
  if (flags.detach) {
    if (const std::optional<int> status = apk::Detach(ready); status.has_value()) return *status;
  }
  apk::InitLog("apk-data-plane", flags.log_level);
  signal(SIGPIPE, SIG_IGN);
#ifdef APK_MIMALLOC
  // An option of the process: where several workers set it, one may keep what it would have given.
  flags.worker.set_memory_return = [delay = mi_option_get(mi_option_decommit_delay)](bool at_once) {
    mi_option_set(mi_option_decommit_delay, at_once ? 0 : delay);
  };
#endif
  const apk::Program::Heap heap{.statistics = &apk::HeapStatistics,
                                .allocations_counted = apk::AllocationsAreCounted()};
  apk::Program program(flags, heap, [&ready] {
    if (ready && write(ready.get(), "", 1) == 1) ready.Reset();
  });
  return program.Run();
}

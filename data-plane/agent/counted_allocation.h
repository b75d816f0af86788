// The program's own malloc and operators new and delete, which tell the heap profiler and leave the work to mimalloc.
#pragma once

namespace apk {

// Sanitizers bring an allocator of their own, which tells nothing.
bool AllocationsAreCounted();

}  // namespace apk

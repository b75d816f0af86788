// All forms that are in use: one that is missing would be mimalloc's own, and its blocks unseen. Libraries come through
// here, too, since a program's symbols go before theirs.
#include "data-plane/agent/counted_allocation.h"

#ifdef APK_MIMALLOC
#include <mimalloc.h>

#include <cerrno>
#include <new>

#include "data-plane/observe/heap_profiler.h"

namespace {

void* Counted(void* block, size_t size) {
  apk::HeapProfiler::OnAllocate(block, size);
  return block;
}

void Free(void* block) {
  apk::HeapProfiler::OnFree(block);
  mi_free(block);
}

size_t Bytes(std::align_val_t alignment) { return static_cast<size_t>(alignment); }

}  // namespace

extern "C" {
void* malloc(size_t size) { return Counted(mi_malloc(size), size); }
void* calloc(size_t count, size_t size) { return Counted(mi_calloc(count, size), count * size); }
void* realloc(void* block, size_t size) {
  apk::HeapProfiler::OnFree(block);
  return Counted(mi_realloc(block, size), size);
}
void free(void* block) { Free(block); }
void* aligned_alloc(size_t alignment, size_t size) {
  return Counted(mi_malloc_aligned(size, alignment), size);
}
void* memalign(size_t alignment, size_t size) {
  return Counted(mi_malloc_aligned(size, alignment), size);
}
void* valloc(size_t size) { return Counted(mi_valloc(size), size); }
void* pvalloc(size_t size) { return Counted(mi_pvalloc(size), size); }
size_t malloc_usable_size(void* block) { return mi_usable_size(block); }
int posix_memalign(void** block, size_t alignment, size_t size) {
  const int error = mi_posix_memalign(block, alignment, size);
  if (error == 0) Counted(*block, size);
  return error;
}
}

// [new.delete]
#define APK_OPERATORS(suffix)                                                                    \
  void* operator new suffix(size_t size) { return Counted(mi_new(size), size); }                 \
  void* operator new suffix(size_t size, const std::nothrow_t&) noexcept {                       \
    return Counted(mi_new_nothrow(size), size);                                                  \
  }                                                                                              \
  void* operator new suffix(size_t size, std::align_val_t alignment) {                           \
    return Counted(mi_new_aligned(size, Bytes(alignment)), size);                                \
  }                                                                                              \
  void* operator new suffix(size_t size, std::align_val_t alignment,                             \
                            const std::nothrow_t&) noexcept {                                    \
    return Counted(mi_new_aligned_nothrow(size, Bytes(alignment)), size);                        \
  }                                                                                              \
  void operator delete suffix(void* block) noexcept { Free(block); }                             \
  void operator delete suffix(void* block, const std::nothrow_t&) noexcept { Free(block); }      \
  void operator delete suffix(void* block, size_t) noexcept { Free(block); }                     \
  void operator delete suffix(void* block, std::align_val_t) noexcept { Free(block); }           \
  void operator delete suffix(void* block, size_t, std::align_val_t) noexcept { Free(block); }   \
  void operator delete suffix(void* block, std::align_val_t, const std::nothrow_t&) noexcept {   \
    Free(block);                                                                                 \
  }

APK_OPERATORS()
APK_OPERATORS([])

#undef APK_OPERATORS

namespace apk {
bool AllocationsAreCounted() { return true; }
}  // namespace apk
#else
namespace apk {
bool AllocationsAreCounted() { return false; }
}  // namespace apk
#endif

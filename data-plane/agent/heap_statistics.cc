// mimalloc where the program has it, glibc's own words otherwise.
#include "data-plane/agent/heap_statistics.h"

#ifdef APK_MIMALLOC
#include <mimalloc.h>
#else
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#endif

namespace apk {

#ifdef APK_MIMALLOC
std::string HeapStatistics() {
  std::string text;
  mi_stats_print_out(
      [](const char* part, void* out) { static_cast<std::string*>(out)->append(part); }, &text);
  return text;
}
#else
std::string HeapStatistics() {
  char* bytes = nullptr;
  size_t size = 0;
  FILE* const out = open_memstream(&bytes, &size);
  if (out == nullptr) return "";
  malloc_info(0, out);
  std::fclose(out);
  std::string text(bytes, size);
  std::free(bytes);
  return text;
}
#endif

}  // namespace apk

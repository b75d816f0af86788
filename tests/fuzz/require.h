// What must hold in a fuzzer: ends the program where it does not, so that the input is kept.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace apk {

inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace apk

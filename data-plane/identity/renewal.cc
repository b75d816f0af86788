#include "data-plane/identity/renewal.h"

#include <algorithm>

namespace apk {

SystemTime RenewalTime(const Validity& validity, double random) {
  const auto life = validity.ends - validity.begins;
  const std::chrono::duration<double, SystemTime::period> after = life * (0.5 + 0.2 * random);
  return validity.begins + std::chrono::duration_cast<SystemTime::duration>(after);
}

std::chrono::milliseconds RetryPause(int failures, std::chrono::seconds life, double random) {
  using Milliseconds = std::chrono::milliseconds;
  constexpr Milliseconds kFirst{500};
  constexpr Milliseconds kLongest{600'000};
  constexpr int kDoublingsMax = 12;
  const Milliseconds most = std::clamp(Milliseconds(life) / 20, kFirst, kLongest);
  const Milliseconds pause = std::min(kFirst * (1 << std::min(failures - 1, kDoublingsMax)), most);
  return pause / 2 + std::chrono::duration_cast<Milliseconds>(pause * random / 2);
}

}  // namespace apk

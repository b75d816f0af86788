// The last seven bytes of an id are the ones that others promise to be random (Trace Context level
// 2).
#include "data-plane/tracing/sampler.h"

#include <algorithm>

namespace apk {
namespace {

constexpr size_t kRandomBytes = 7;
constexpr double kRandomIds = static_cast<double>(uint64_t{1} << (8 * kRandomBytes));

}  // namespace

Sampler::Sampler(double ratio)
    : threshold_(static_cast<uint64_t>(std::clamp(ratio, 0.0, 1.0) * kRandomIds)) {}

bool Sampler::TakesRoot(const TraceId& trace) const {
  uint64_t random = 0;
  for (size_t i = trace.size() - kRandomBytes; i < trace.size(); ++i) {
    random = random << 8 | static_cast<unsigned char>(trace[i]);
  }
  return random < threshold_;
}

}  // namespace apk

#include "control-plane/rollout/agent_key.h"

#include "common/snapshot_version.h"

namespace apk {

uint64_t AgentKey(std::string_view id) {
  ShortDigest digest;
  digest.Add(id);
  return FingerprintOf(digest.Finish());
}

}  // namespace apk

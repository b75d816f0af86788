// Retry and session persistence of a rule: messages in, values out. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "data-plane/routing/route_table.h"

namespace apk {

RetryPolicy CompileRetry(const v1::RetryConfig& config);

// Targets are the endpoints of the backends that resolve.
absl::StatusOr<SessionPersistence> CompileSessionPersistence(
    const v1::SessionPersistenceConfig& config, const std::vector<WeightedBackend>& backends);

}  // namespace apk

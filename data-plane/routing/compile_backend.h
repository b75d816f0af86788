// One backend of a snapshot: a message in, a value out. Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "data-plane/routing/route_table.h"

namespace apk {

// Each of `problems` says what can't be served; the backend must not be used where there are any. Its series
// is one of `series`.
std::shared_ptr<const Backend> CompileBackend(const v1::SnapshotResource& resource,
                                              const v1::BackendConfig& config,
                                              SeriesRegistry& series,
                                              std::vector<std::string>& problems);

}  // namespace apk

// A store made from a backup before the first start: where it is lost, and the certificates are
// not.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "control-plane/backup/backup_file.h"
#include "control-plane/server/open_store.h"

namespace apk {

// All objects as they were, the gateway's own included, as the first revision, and who had joined
// and who was shut out. Certificates that
// are in `data_dir` stay and count on; where there are none the first start makes them.
// FAILED_PRECONDITION where the store is not empty. REQUIRES: the data directory is locked.
absl::Status RestoreStore(const StoreFlags& flags, const std::string& data_dir,
                          const Backup& backup);

}  // namespace apk

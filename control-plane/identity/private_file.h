// Small files that hold keys: written whole or not at all, readable by their owner alone.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <string>

namespace apk {

// NOT_FOUND where there is none.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// Writes beside it, syncs, renames.
absl::Status WriteFile(const std::string& path, const std::string& content, mode_t mode);
// With its parents; the last gets `mode`.
absl::Status MakeDirectory(const std::string& path, mode_t mode);

}  // namespace apk

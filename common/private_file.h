// Small files that hold keys: written whole or not at all, readable by their owner alone.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <string>

namespace apk {

// NOT_FOUND where there is none, PERMISSION_DENIED where it can't be read.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// The same for a key. One that others can read is made private first.
absl::StatusOr<std::string> ReadPrivateFile(const std::string& path);
bool FileExists(const std::string& path);
// Writes beside it, syncs, renames.
absl::Status WriteFile(const std::string& path, const std::string& content, mode_t mode);
// With its parents; the last gets `mode` where it is new.
absl::Status MakeDirectory(const std::string& path, mode_t mode);
// FAILED_PRECONDITION where the directory belongs to another user or others can write to it: what
// is read from it could then be anybody's.
absl::Status CheckOwnDirectory(const std::string& path);

}  // namespace apk

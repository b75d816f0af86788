// A backup as a file: all objects at one revision, with a checksum over everything and a version of
// the format. It knows no engine: what one store gave another one takes. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-plane/resources/resource_set.h"

namespace apk {

struct Backup {
  uint64_t revision = 0;
  std::string created;          // RFC 3339
  std::string program_version;  // That wrote it.
  ResourceSet resources;
  // Who had joined and who was shut out: records, as IdentityLedger::Export gives them.
  std::vector<std::pair<std::string, std::string>> identities;
  // What rollouts go by: records, as RolloutBook::Export gives them.
  std::vector<std::pair<std::string, std::string>> rollouts;
};

// The file has Secrets in the clear.
std::string WriteBackup(const Backup& backup);

// INVALID_ARGUMENT where it is no backup, DATA_LOSS where it is damaged or cut off,
// FAILED_PRECONDITION where a newer program wrote it.
absl::StatusOr<Backup> ReadBackup(std::string_view file);

}  // namespace apk

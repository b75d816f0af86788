// The identity that an operator puts into files, and may replace while the agent runs: they are
// read anew for each connection. Used by one thread at a time.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <optional>
#include <string>

#include "data-plane/identity/node_key.h"
#include "data-plane/identity/tls_identity.h"

namespace apk {

struct IdentityPaths {
  std::string ca;  // "": none, as for the others.
  std::string certificate;
  std::string key;
};

class FileIdentity {
 public:
  explicit FileIdentity(IdentityPaths paths) : paths_(std::move(paths)) {}

  // NOT_FOUND where a file can't be read. Called before anything else.
  absl::Status Load();
  // As the files are now; as they were where that can't be used, which is logged.
  TlsIdentity Current();
  // When the certificate ends; nullopt where there is none. Thread-safe.
  std::optional<SystemTime> expires() const;

 private:
  void Take(TlsIdentity identity);
  absl::StatusOr<TlsIdentity> Read() const;

  const IdentityPaths paths_;
  TlsIdentity last_;
  std::atomic<SystemTime> expires_{SystemTime()};  // The epoch: there is none.
};

}  // namespace apk

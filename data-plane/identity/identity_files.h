// The identity that an agent was given, in its state directory:
//   agent.pem     its private key, then its certificate chain (mode 0600): one file, so that they
//                 belong together whenever the power fails
//   ca.crt        who signs the certificates of control planes
//   joined-by     the id of the join token that they came by
//   join-ID.key   the key with which an agent asks to join by the token ID, until it has
// Used by one thread at a time.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "data-plane/identity/tls_identity.h"

namespace apk {

class IdentityFiles {
 public:
  // `directory` is made by the first write.
  explicit IdentityFiles(std::string directory) : directory_(std::move(directory)) {}

  bool Exist() const;
  // NOT_FOUND where the agent has not joined, FAILED_PRECONDITION where the files are damaged.
  absl::StatusOr<TlsIdentity> Load() const;
  absl::Status Save(const TlsIdentity& identity) const;

  // Whether it joined by this token.
  bool JoinedBy(const std::string& token_id) const;
  // The key to join with, the same each time until Joined: a lost answer can be asked for again.
  absl::StatusOr<std::string> KeyToJoin(const std::string& token_id) const;
  // What it joined with is its identity from here on.
  absl::Status Joined(const std::string& token_id, const TlsIdentity& identity) const;

 private:
  std::string JoinKeyPath(const std::string& token_id) const;

  const std::string directory_;
};

}  // namespace apk

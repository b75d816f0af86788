// The built-in authority takes another key, in three steps: a new one is made and trusted; it
// signs, and both are trusted; the old one is forgotten. Where they are is a record of the store,
// so that all its control planes follow. Between the second step and the third what the new one
// signs comes with the new one's certificate as the old one has signed it: who knows the old one
// alone trusts it, too. Thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apk/v1/identity.pb.h"
#include "apk/v1/store.pb.h"
#include "control-plane/identity/identity.h"
#include "control-plane/identity/identity_ledger.h"

namespace apk {

// nullopt where it has never been rotated.
absl::StatusOr<std::optional<v1::StoredAuthorities>> ReadAuthorities(Records& records);
// The one that signs, which knows the others.
absl::StatusOr<std::unique_ptr<CertificateAuthority>> SigningAuthority(
    const v1::StoredAuthorities& stored);

// Where the next step leads. FAILED_PRECONDITION where it is not its turn. Pure, but for the keys.
absl::StatusOr<v1::StoredAuthorities> NextStep(const v1::StoredAuthorities& now,
                                               v1::RotateAuthorityRequest::Step step,
                                               int64_t now_unix);
// Agents that the previous one's certificates let in, as far as is known: they would be shut out
// without it.
std::vector<std::string> AgentsOfPrevious(const RecordView& records,
                                          const v1::StoredAuthorities& now, int64_t now_unix);

class AuthorityRotation {
 public:
  // Both outlive it. The ledger is loaded.
  AuthorityRotation(IdentityLedger& ledger, Identity& identity);

  // As identity.proto says.
  absl::StatusOr<v1::Authorities> Rotate(const v1::RotateAuthorityRequest& request,
                                         const std::string& author, int64_t now_unix);
  absl::StatusOr<v1::Authorities> Status(int64_t now_unix) const;

  // Puts in force what the store says, whoever wrote it. Quick where that is the same as before.
  void Follow();

 private:
  absl::Status CheckBuiltIn() const;
  v1::StoredAuthorities StoredIn(const RecordView& records) const;

  IdentityLedger& ledger_;
  Identity& identity_;
  std::mutex following_;
  std::string followed_;  // The record that is in force.
};

}  // namespace apk

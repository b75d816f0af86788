// Whether an agent may join, and what is to be written then. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/join_token.h"
#include "control-plane/identity/identity_ledger.h"

namespace apk {

struct Candidate {
  JoinToken token;
  std::string agent;
  std::string key_hash;    // Of the key that it wants certified.
  bool connected = false;  // An agent of this name is, by whatever certificate.
};

// An agent's new certificate ends at `expires_unix`; `authority` is the hash of who signs it.
// Errors as Enroll's in enrollment.proto.
absl::StatusOr<std::vector<RecordWrite>> AdmitByToken(const RecordView& records,
                                                      const Candidate& candidate, int64_t now_unix,
                                                      int64_t expires_unix,
                                                      const std::string& authority = "");
// The same for an agent that has joined and asks for its next certificate, as Renew.
absl::StatusOr<std::vector<RecordWrite>> AdmitByKey(const RecordView& records,
                                                    const std::string& agent,
                                                    const std::string& key_hash, int64_t now_unix,
                                                    int64_t expires_unix,
                                                    const std::string& authority = "");

// What can go from the ledger: tokens a day after they expired, agents that were not seen for so
// long that they must join again, unless there may be older certificates of theirs, which would
// count again.
std::vector<RecordWrite> Outdated(const RecordView& records, int64_t now_unix);

// As it is stored; the secret itself is not.
std::string HashOfSecret(const std::string& secret);

}  // namespace apk

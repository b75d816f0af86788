// How agents come by certificates: a join token is made, an agent shows it once and gets a
// certificate for a key of its own, and a new one before that ends for as long as it is not
// revoked. All of it stands in the ledger, so that any control plane of the store may be asked.
// Thread-safe.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "apk/v1/enrollment.pb.h"
#include "apk/v1/identity.pb.h"
#include "control-plane/identity/identity_ledger.h"
#include "control-plane/identity/trust.h"

namespace apk {

struct EnrollmentOptions {
  std::string
      off;  // Why certificates are not issued here, which every call then says; "": they are.
  std::shared_ptr<const TrustInForce> trust;  // Whoever signs, where they are.
  std::chrono::seconds certificate_life = std::chrono::hours(24);
  // Whether an agent of this name is connected now, by whatever certificate.
  std::function<bool(const std::string&)> is_connected;
};

class Enrollment {
 public:
  // What `options` names and the ledger outlive it.
  Enrollment(IdentityLedger& ledger, EnrollmentOptions options)
      : ledger_(ledger), options_(std::move(options)) {}

  // For the admin API, as identity.proto says.
  absl::StatusOr<v1::CreateJoinTokenResponse> CreateToken(const v1::CreateJoinTokenRequest& request,
                                                          const std::string& author,
                                                          int64_t now_unix);
  absl::StatusOr<v1::ListJoinTokensResponse> ListTokens(int64_t now_unix);
  absl::Status DeleteToken(const std::string& id, const std::string& author);
  absl::StatusOr<v1::LabelAgentResponse> LabelAgent(const v1::LabelAgentRequest& request,
                                                    const std::string& author);

  // An agent of this name has joined, comes or came by a certificate of its own, or is connected.
  bool Knows(const std::string& agent) const;

  // For agents, as enrollment.proto says. Requests are untrusted.
  absl::StatusOr<v1::IssuedCertificate> Enroll(const v1::EnrollRequest& request, int64_t now_unix);
  absl::StatusOr<v1::IssuedCertificate> Renew(const v1::RenewRequest& request, int64_t now_unix);

 private:
  absl::Status CheckOn() const;
  absl::StatusOr<v1::IssuedCertificate> Issue(const Trust& trust, const SigningRequest& key,
                                              const std::string& agent) const;

  IdentityLedger& ledger_;
  const EnrollmentOptions options_;
};

}  // namespace apk

// Asks control planes for a certificate. gRPC stays behind this header. Blocking; one thread.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "common/join_token.h"

namespace apk {

struct GivenCertificate {
  std::string certificate_pem;  // The chain.
  std::string ca_pem;           // Whom to trust from now on.
};

class EnrollmentClient {
 public:
  // `addresses`: host:port of several control planes of one store, at least one.
  EnrollmentClient(std::vector<std::string> addresses, std::string agent)
      : addresses_(std::move(addresses)), agent_(std::move(agent)) {}

  // By `key_pem`, which is not sent. UNAVAILABLE where none of them answers, else what the first
  // that does says, as in enrollment.proto.
  absl::StatusOr<GivenCertificate> Enroll(const JoinToken& token, const std::string& key_pem);
  // `ca_pem`: who signs the certificates of control planes.
  absl::StatusOr<GivenCertificate> Renew(const std::string& ca_pem, const std::string& key_pem);

 private:
  template <class Ask>
  absl::StatusOr<GivenCertificate> AskEach(const Ask& ask);

  const std::vector<std::string> addresses_;
  const std::string agent_;
  size_t next_ = 0;  // Whom to ask first.
};

}  // namespace apk

// One call on a connection of its own, whose server has proven that it is of the authority.
#include "data-plane/identity/enrollment_client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "apk/v1/enrollment.grpc.pb.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "data-plane/identity/node_key.h"
#include "data-plane/identity/trust_anchor.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kConnect{5};
constexpr std::chrono::seconds kCall{15};

template <class Request, class Call>
absl::StatusOr<GivenCertificate> Send(const std::string& address, const std::string& ca_pem,
                                      const Request& request, Call call) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ca_pem;
  const auto stub =
      v1::EnrollmentService::NewStub(grpc::CreateChannel(address, grpc::SslCredentials(tls)));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCall);
  v1::IssuedCertificate issued;
  const grpc::Status status = (stub.get()->*call)(&context, request, &issued);
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::UnavailableError(Concat(address, " did not answer in time"));
  }
  if (!status.ok()) {
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  return GivenCertificate{.certificate_pem = issued.certificate_pem(),
                          .ca_pem = issued.trust_bundle_pem()};
}

}  // namespace

// Whom one control plane refuses, the others do, too: they have one store.
template <class Ask>
absl::StatusOr<GivenCertificate> EnrollmentClient::AskEach(const Ask& ask) {
  absl::Status status;
  for (size_t tried = 0; tried < addresses_.size(); ++tried) {
    absl::StatusOr<GivenCertificate> given = ask(addresses_[next_]);
    if (!absl::IsUnavailable(given.status())) return given;
    status = given.status();
    next_ = (next_ + 1) % addresses_.size();
  }
  return status;
}

absl::StatusOr<GivenCertificate> EnrollmentClient::Enroll(const JoinToken& token,
                                                          const std::string& key_pem) {
  v1::EnrollRequest request;
  request.set_token(token.ToString());
  request.set_agent(agent_);
  ASSIGN_OR_RETURN(*request.mutable_certificate_request(), MakeSigningRequest(key_pem, agent_));
  return AskEach([&](const std::string& address) -> absl::StatusOr<GivenCertificate> {
    ASSIGN_OR_RETURN(const std::string ca_pem,
                     FetchTrustAnchor(address, token.authority, kConnect));
    return Send(address, ca_pem, request, &v1::EnrollmentService::Stub::Enroll);
  });
}

absl::StatusOr<GivenCertificate> EnrollmentClient::Renew(const std::string& ca_pem,
                                                         const std::string& key_pem) {
  v1::RenewRequest request;
  request.set_agent(agent_);
  ASSIGN_OR_RETURN(*request.mutable_certificate_request(), MakeSigningRequest(key_pem, agent_));
  return AskEach([&](const std::string& address) {
    return Send(address, ca_pem, request, &v1::EnrollmentService::Stub::Renew);
  });
}

}  // namespace apk

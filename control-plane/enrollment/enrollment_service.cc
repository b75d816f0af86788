// Who asks shows no certificate: the token or the key's signature speaks for it.
#include "control-plane/enrollment/enrollment_service.h"

#include <ctime>

#include "common/log.h"

namespace apk {
namespace {

grpc::Status Answer(const grpc::ServerContext& context, const std::string& agent,
                    absl::StatusOr<v1::IssuedCertificate> issued, v1::IssuedCertificate* response) {
  if (issued.ok()) {
    *response = *std::move(issued);
    return grpc::Status::OK;
  }
  const std::string reason(issued.status().message());
  LogWarning("no certificate for an agent",
             {{"agent", agent.substr(0, 253)}, {"peer", context.peer()}, {"reason", reason}});
  return grpc::Status(static_cast<grpc::StatusCode>(issued.status().code()), reason);
}

}  // namespace

grpc::Status EnrollmentService::Enroll(grpc::ServerContext* context,
                                       const v1::EnrollRequest* request,
                                       v1::IssuedCertificate* response) {
  return Answer(*context, request->agent(), enrollment_.Enroll(*request, std::time(nullptr)),
                response);
}

grpc::Status EnrollmentService::Renew(grpc::ServerContext* context, const v1::RenewRequest* request,
                                      v1::IssuedCertificate* response) {
  return Answer(*context, request->agent(), enrollment_.Renew(*request, std::time(nullptr)),
                response);
}

}  // namespace apk

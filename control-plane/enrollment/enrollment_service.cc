// Who asks shows no certificate: the token or the key's signature speaks for it.
#include "control-plane/enrollment/enrollment_service.h"

#include <ctime>
#include <utility>

#include "common/log.h"

namespace apk {
void EnrollmentService::LogRefusal(const std::string& agent, const std::string& peer,
                                   const std::string& reason) {
  constexpr std::chrono::milliseconds kPause{100};
  uint64_t left_out = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - logged_ < kPause) {
      ++left_out_;
      return;
    }
    logged_ = now;
    left_out = std::exchange(left_out_, 0);
  }
  LogWarning("no certificate for an agent", {{"agent", agent.substr(0, 253)},
                                             {"peer", peer},
                                             {"reason", reason},
                                             {"left_out", std::to_string(left_out)}});
}

grpc::Status EnrollmentService::Answer(const grpc::ServerContext& context, const std::string& agent,
                                       absl::StatusOr<v1::IssuedCertificate> issued,
                                       v1::IssuedCertificate* response) {
  if (issued.ok()) {
    *response = *std::move(issued);
    return grpc::Status::OK;
  }
  const std::string reason(issued.status().message());
  LogRefusal(agent, context.peer(), reason);
  return grpc::Status(static_cast<grpc::StatusCode>(issued.status().code()), reason);
}

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

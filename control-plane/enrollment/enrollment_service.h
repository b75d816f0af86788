// The gRPC face of enrolment, towards agents.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "apk/v1/enrollment.grpc.pb.h"
#include "control-plane/enrollment/enrollment.h"

namespace apk {

class EnrollmentService final : public v1::EnrollmentService::Service {
 public:
  // `enrollment` outlives it.
  explicit EnrollmentService(Enrollment& enrollment) : enrollment_(enrollment) {}

  grpc::Status Enroll(grpc::ServerContext* context, const v1::EnrollRequest* request,
                      v1::IssuedCertificate* response) override;
  grpc::Status Renew(grpc::ServerContext* context, const v1::RenewRequest* request,
                     v1::IssuedCertificate* response) override;

 private:
  grpc::Status Answer(const grpc::ServerContext& context, const std::string& agent,
                      absl::StatusOr<v1::IssuedCertificate> issued,
                      v1::IssuedCertificate* response);
  // Anybody may ask: not everything that is refused is logged, but so many lines a second.
  void LogRefusal(const std::string& agent, const std::string& peer, const std::string& reason);

  Enrollment& enrollment_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point logged_{};
  uint64_t left_out_ = 0;  // Since then.
};

}  // namespace apk

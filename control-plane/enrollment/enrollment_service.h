// The gRPC face of enrolment, towards agents.
#pragma once

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
  Enrollment& enrollment_;
};

}  // namespace apk

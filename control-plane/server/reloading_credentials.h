// TLS of a gRPC server whose certificate is renewed while it runs, and who is asked before each
// call.
#pragma once

#include <absl/status/status.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/server_credentials.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control-plane/identity/served_certificate.h"
#include "control-plane/identity/trust.h"

namespace apk {

// How a call begins, before anything of its message is read.
struct CallHead {
  std::string method;                        // "/apk.v1.AdminService/Apply"
  std::string certificate_pem;               // "": the connection has none.
  std::optional<std::string> authorization;  // As Credentials has it.
  std::string connection;                    // Another one while another connection lasts.
};
// OK lets it begin; anything else is its answer. Called on threads that must not wait; it answers
// once, at once or later on any thread.
using CallAnswer = std::function<void(const absl::Status&)>;
using CallJudge = std::function<void(const CallHead&, const CallAnswer&)>;

struct ReloadingTls {
  std::shared_ptr<ServedCertificate> certificate;
  // Who signs clients' certificates. That another one does shows with another certificate.
  std::shared_ptr<TrustInForce> trust;
  bool show_anchors = false;  // Behind the certificate's chain, where that does not have them.
  grpc_ssl_client_certificate_request_type clients;
  CallJudge judge;  // May be empty: all calls begin.
};

// They outlive the server: it asks them at each handshake.
std::shared_ptr<grpc::ServerCredentials> ReloadingCredentials(ReloadingTls tls);

}  // namespace apk

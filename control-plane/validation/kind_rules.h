// The rules of a kind that field options can't say: the CEL rules of the official schemas and what
// follows from the specifications. Pure; one file a family of kinds.
#pragma once

#include <string>
#include <vector>

#include "apk/v1/api.pb.h"
#include "apk/v1/backend.pb.h"
#include "apk/v1/backend_tls_policy.pb.h"
#include "apk/v1/core.pb.h"
#include "apk/v1/gateway.pb.h"
#include "apk/v1/grpc_route.pb.h"
#include "apk/v1/listener_set.pb.h"
#include "apk/v1/policies.pb.h"
#include "apk/v1/routes.pb.h"
#include "apk/v1/tls_route.pb.h"
#include "control-plane/validation/validate.h"

namespace apk {

class IssueList {
 public:
  explicit IssueList(std::vector<FieldIssue>& issues) : issues_(issues) {}
  void Error(std::string path, std::string message, std::string hint = "") {
    issues_.push_back(
        {FieldIssue::Severity::kError, std::move(path), std::move(message), std::move(hint)});
  }
  void Warning(std::string path, std::string message, std::string hint = "") {
    issues_.push_back(
        {FieldIssue::Severity::kWarning, std::move(path), std::move(message), std::move(hint)});
  }
  bool HasErrors() const {
    for (const FieldIssue& issue : issues_) {
      if (issue.severity == FieldIssue::Severity::kError) return true;
    }
    return false;
  }

 private:
  std::vector<FieldIssue>& issues_;
};

// One backendRef of a route, or the one of a mirror.
template <class Reference>
void CheckBackendReference(const Reference& reference, const std::string& path, IssueList& issues) {
  const bool service =
      reference.group().empty() && (!reference.has_kind() || reference.kind() == "Service");
  if (service && !reference.has_port()) {
    issues.Error(path + ".port", "is required for a Service",
                 "for a dp.wso2.com Backend set group: dp.wso2.com and kind: Backend");
  }
}

void CheckGateway(const v1::Gateway& gateway, IssueList& issues);
void CheckGatewayTls(const v1::Gateway& gateway, IssueList& issues);
// `path`: of the listener's field tls.
void CheckListenerTls(const v1::GatewayListener& listener, const std::string& path,
                      IssueList& issues);
void CheckTlsRoute(const v1::TLSRoute& route, IssueList& issues);
void CheckBackendTlsPolicy(const v1::BackendTLSPolicy& policy, IssueList& issues);
void CheckListenerSet(const v1::ListenerSet& set, IssueList& issues);
void CheckGrpcRoute(const v1::GRPCRoute& route, IssueList& issues);
void CheckHttpRoute(const v1::HTTPRoute& route, IssueList& issues);
void CheckBackend(const v1::Backend& backend, IssueList& issues);
void CheckApi(const v1::API& api, IssueList& issues);
void CheckAuthentication(const v1::Authentication& authentication, IssueList& issues);
void CheckTokenIssuer(const v1::TokenIssuer& issuer, IssueList& issues);
void CheckService(const v1::Service& service, IssueList& issues);
void CheckEndpointSlice(const v1::EndpointSlice& slice, IssueList& issues);
void CheckSecret(const v1::Secret& secret, IssueList& issues);
void CheckConfigMap(const v1::ConfigMap& map, IssueList& issues);

}  // namespace apk

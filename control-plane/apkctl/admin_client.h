// The admin API as plain calls: gRPC stays behind this header. Blocking; one thread.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apk/v1/admin.pb.h"
#include "apk/v1/backup.pb.h"
#include "apk/v1/identity.pb.h"
#include "apk/v1/rollout.pb.h"
#include "control-plane/apkctl/client_config.h"

namespace apk {

class AdminClient {
 public:
  // Connects at the first call, to the first control plane of the context that can be reached.
  // NOT_FOUND where a certificate file is missing.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Open(const ClientContextConfig& context);
  ~AdminClient();

  absl::StatusOr<v1::ApplyResponse> Apply(const v1::ApplyRequest& request);
  absl::StatusOr<v1::DeleteResponse> Delete(const v1::DeleteRequest& request);
  absl::StatusOr<v1::GetResponse> Get(const v1::GetRequest& request);
  absl::StatusOr<v1::ListResponse> List(const v1::ListRequest& request);
  absl::StatusOr<v1::ListRevisionsResponse> ListRevisions(const v1::ListRevisionsRequest& request);
  absl::StatusOr<v1::RollbackResponse> Rollback(const v1::RollbackRequest& request);
  absl::StatusOr<v1::ListAgentsResponse> ListAgents();
  absl::StatusOr<v1::CreateJoinTokenResponse> CreateJoinToken(
      const v1::CreateJoinTokenRequest& request);
  absl::StatusOr<v1::ListJoinTokensResponse> ListJoinTokens();
  absl::Status DeleteJoinToken(const std::string& id);
  absl::StatusOr<v1::LabelAgentResponse> LabelAgent(const v1::LabelAgentRequest& request);
  absl::StatusOr<v1::RevokeResponse> Revoke(const v1::RevokeRequest& request);
  absl::Status Unrevoke(const v1::Subject& subject);
  absl::StatusOr<v1::ListRevocationsResponse> ListRevocations();
  absl::StatusOr<v1::Authorities> GetAuthorities();
  absl::StatusOr<v1::Authorities> RotateAuthority(const v1::RotateAuthorityRequest& request);
  absl::StatusOr<v1::RolloutPolicy> GetRolloutPolicy();
  absl::StatusOr<v1::RolloutPolicy> SetRolloutPolicy(const v1::SetRolloutPolicyRequest& request);
  absl::StatusOr<v1::RolloutStatus> GetRollout();
  absl::StatusOr<v1::ListRolloutsResponse> ListRollouts();
  absl::StatusOr<v1::RolloutStatus> SteerRollout(const v1::SteerRolloutRequest& request);
  absl::StatusOr<v1::IssueTokenResponse> IssueToken(const std::string& scope);
  absl::StatusOr<v1::ServerInfo> GetServerInfo();
  // Gives the parts to `take`, until it says that one is wrong, which is returned then.
  absl::Status Export(const v1::ExportRequest& request,
                      const std::function<absl::Status(const v1::ExportResponse&)>& take);
  // The file.
  absl::StatusOr<std::string> Backup();
  absl::StatusOr<v1::RestoreResponse> Restore(const std::vector<v1::RestoreRequest>& parts);
  // host:port of the control plane that answered last.
  const std::string& server() const;
  // Until the stream ends or `on_event` says false.
  absl::Status Watch(const v1::WatchRequest& request,
                     const std::function<bool(const v1::WatchEvent&)>& on_event);

 private:
  struct Stub;
  AdminClient() = default;
  std::unique_ptr<Stub> stub_;
};

}  // namespace apk

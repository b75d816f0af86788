// The gRPC face of the admin API: it checks who asks, and moves messages.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "apk/v1/admin.grpc.pb.h"
#include "control-plane/admin/configuration.h"

namespace apk {

class Authenticator;
class TokenIssuer;

// What is asked of who calls; empty: everybody may.
struct AdminQuestions {
  // Of objects that an apply would prune.
  std::function<Configuration::MayDelete(const grpc::ServerContext&)> may_delete;
  // Before each change that a watch tells. The key may name no object and no namespace: all.
  std::function<absl::Status(const grpc::ServerContext&, const ResourceKey&)> may_watch;
};

class AdminService final : public v1::AdminService::Service {
 public:
  // `issuer` is nullptr where the development issuer is turned off. All outlive it.
  // `kubernetes_address` is where kubectl is answered, "" where nobody does.
  AdminService(const Authenticator& authenticator, Configuration& configuration, ChangeFeed& feed,
               AgentRegistry& agents, SnapshotCache& snapshots, const TokenIssuer* issuer,
               std::string kubernetes_address)
      : authenticator_(authenticator),
        configuration_(configuration),
        feed_(feed),
        agents_(agents),
        snapshots_(snapshots),
        issuer_(issuer),
        kubernetes_address_(std::move(kubernetes_address)) {}

  // Before the first call.
  void Ask(AdminQuestions questions) { questions_ = std::move(questions); }
  // Ends watches; further calls are refused.
  void Shutdown();

  grpc::Status Apply(grpc::ServerContext* context, const v1::ApplyRequest* request,
                     v1::ApplyResponse* response) override;
  grpc::Status Delete(grpc::ServerContext* context, const v1::DeleteRequest* request,
                      v1::DeleteResponse* response) override;
  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   v1::GetResponse* response) override;
  grpc::Status List(grpc::ServerContext* context, const v1::ListRequest* request,
                    v1::ListResponse* response) override;
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchEvent>* writer) override;
  grpc::Status ListRevisions(grpc::ServerContext* context, const v1::ListRevisionsRequest* request,
                             v1::ListRevisionsResponse* response) override;
  grpc::Status Rollback(grpc::ServerContext* context, const v1::RollbackRequest* request,
                        v1::RollbackResponse* response) override;
  grpc::Status ListAgents(grpc::ServerContext* context, const v1::ListAgentsRequest* request,
                          v1::ListAgentsResponse* response) override;
  grpc::Status IssueToken(grpc::ServerContext* context, const v1::IssueTokenRequest* request,
                          v1::IssueTokenResponse* response) override;
  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest* request,
                             v1::ServerInfo* response) override;

 private:
  const Authenticator& authenticator_;
  Configuration& configuration_;
  ChangeFeed& feed_;
  AgentRegistry& agents_;
  SnapshotCache& snapshots_;
  const TokenIssuer* issuer_;
  const std::string kubernetes_address_;
  AdminQuestions questions_;
  std::atomic<bool> shut_down_{false};
  std::atomic<int> watches_{0};
};

}  // namespace apk

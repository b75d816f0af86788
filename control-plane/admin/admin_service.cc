// Every call asks who is there first.
#include "control-plane/admin/admin_service.h"

#include <ctime>

#include "common/strings.h"
#include "control-plane/admin/admission.h"
#include "control-plane/admin/caller.h"
#include "control-plane/identity/token_issuer.h"
#include "control-plane/resources/kind_registry.h"
#include "control-plane/resources/label_selector.h"

namespace apk {
namespace {

constexpr int kWatchesMax = 64;
constexpr std::chrono::milliseconds kWatchPatience{500};

grpc::Status UnknownKind(const std::string& group, const std::string& kind) {
  return {grpc::StatusCode::INVALID_ARGUMENT,
          Concat("no kind ", kind, " in group \"", group, "\"")};
}

bool Wanted(const v1::WatchRequest& request, const ResourceKey& key) {
  return key.group == request.group() && key.kind == request.kind() &&
         (request.namespace_().empty() || key.namespace_name == request.namespace_()) &&
         (request.name().empty() || key.name == request.name());
}

v1::WatchEvent EventOf(v1::WatchEvent::Type type, const google::protobuf::Message& object,
                       uint64_t revision) {
  v1::WatchEvent event;
  event.set_type(type);
  event.set_revision(revision);
  event.mutable_object()->PackFrom(object);
  return event;
}

}  // namespace

void AdminService::Shutdown() {
  shut_down_.store(true);
  feed_.Close();
}

grpc::Status AdminService::Apply(grpc::ServerContext* context, const v1::ApplyRequest* request,
                                 v1::ApplyResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  const auto may_delete = questions_.may_delete ? questions_.may_delete(*context) : nullptr;
  return Take(configuration_.Apply(*request, AuthorOf(*context, identities_), may_delete),
              response);
}

grpc::Status AdminService::Delete(grpc::ServerContext* context, const v1::DeleteRequest* request,
                                  v1::DeleteResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  return Take(configuration_.Delete(*request, AuthorOf(*context, identities_)), response);
}

grpc::Status AdminService::Get(grpc::ServerContext* context, const v1::GetRequest* request,
                               v1::GetResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  const ResourceKey key = FromProto(request->key());
  if (FindKind(key.group, key.kind) == nullptr) return UnknownKind(key.group, key.kind);
  const Configuration::View view = configuration_.Current();
  const ResourcePtr object = view.resources->Find(key);
  if (object == nullptr) {
    return {grpc::StatusCode::NOT_FOUND, Concat(NameInErrors(key), " not found")};
  }
  response->mutable_object()->PackFrom(*object);
  response->set_revision(view.revision);
  return grpc::Status::OK;
}

grpc::Status AdminService::List(grpc::ServerContext* context, const v1::ListRequest* request,
                                v1::ListResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  if (FindKind(request->group(), request->kind()) == nullptr) {
    return UnknownKind(request->group(), request->kind());
  }
  const absl::StatusOr<LabelSelector> selector = LabelSelector::Parse(request->label_selector());
  if (!selector.ok()) return ToGrpc(selector.status());
  const Configuration::View view = configuration_.Current();
  for (const ResourcePtr& object :
       view.resources->OfKind(request->group(), request->kind(), request->namespace_())) {
    if (selector->Matches(MetadataOf(*object).labels())) response->add_objects()->PackFrom(*object);
  }
  response->set_revision(view.revision);
  return grpc::Status::OK;
}

grpc::Status AdminService::Watch(grpc::ServerContext* context, const v1::WatchRequest* request,
                                 grpc::ServerWriter<v1::WatchEvent>* writer) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  if (FindKind(request->group(), request->kind()) == nullptr) {
    return UnknownKind(request->group(), request->kind());
  }
  struct Slot {
    std::atomic<int>& count;
    const int taken = count.fetch_add(1);
    ~Slot() { count.fetch_sub(1); }
  } slot{watches_};
  if (slot.taken >= kWatchesMax) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many watches at once; try again later"};
  }
  const auto may_watch = [&] {
    const ResourceKey all{request->group(), request->kind(), request->namespace_(),
                          request->name()};
    return questions_.may_watch ? questions_.may_watch(*context, all) : absl::OkStatus();
  };
  if (const absl::Status may = may_watch(); !may.ok()) return ToGrpc(may);
  uint64_t revision = request->from_revision();
  if (revision == 0) {
    const Configuration::View view = configuration_.Current();
    revision = view.revision;
    for (const ResourcePtr& object :
         view.resources->OfKind(request->group(), request->kind(), request->namespace_())) {
      if (!Wanted(*request, KeyOf(*object))) continue;
      if (!writer->Write(EventOf(v1::WatchEvent::ADDED, *object, revision)))
        return grpc::Status::OK;
    }
  }
  while (!context->IsCancelled() && !shut_down_.load()) {
    if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
    const auto changes = feed_.After(revision, kWatchPatience);
    if (!changes.has_value()) {
      return {grpc::StatusCode::OUT_OF_RANGE, "that revision is too old: list, then watch anew"};
    }
    if (const absl::Status may = may_watch(); !may.ok()) return ToGrpc(may);
    for (const Change& change : *changes) {
      revision = change.revision;
      if (!Wanted(*request, change.key)) continue;
      if (!writer->Write(EventOf(change.type, *change.object, revision))) return grpc::Status::OK;
    }
  }
  return shut_down_.load() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "shutting down")
                           : grpc::Status::OK;
}

grpc::Status AdminService::ListRevisions(grpc::ServerContext* context,
                                         const v1::ListRevisionsRequest* request,
                                         v1::ListRevisionsResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  return Take(configuration_.ListRevisions(*request), response);
}

grpc::Status AdminService::Rollback(grpc::ServerContext* context,
                                    const v1::RollbackRequest* request,
                                    v1::RollbackResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  return Take(configuration_.Rollback(*request, AuthorOf(*context, identities_)), response);
}

grpc::Status AdminService::ListAgents(grpc::ServerContext* context, const v1::ListAgentsRequest*,
                                      v1::ListAgentsResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  response->set_snapshot_version(snapshots_.Newest()->version);
  response->set_revision(configuration_.Current().revision);
  for (v1::AgentStatus& agent : agents_.List(snapshots_)) {
    *response->add_agents() = std::move(agent);
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::IssueToken(grpc::ServerContext* context,
                                      const v1::IssueTokenRequest* request,
                                      v1::IssueTokenResponse* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  if (issuer_ == nullptr) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "the development token issuer is turned off (--development-token-issuer)"};
  }
  response->set_scope(request->scope().empty() ? "default" : request->scope());
  if (!IsScope(response->scope())) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "the scope is malformed: words with single spaces between them, without quotes"};
  }
  response->set_access_token(issuer_->Issue(response->scope(), std::time(nullptr)));
  if (response->access_token().empty()) return {grpc::StatusCode::INTERNAL, "signing failed"};
  response->set_expires_in_seconds(TokenIssuer::kLifetimeSeconds);
  return grpc::Status::OK;
}

grpc::Status AdminService::GetServerInfo(grpc::ServerContext* context,
                                         const v1::GetServerInfoRequest*,
                                         v1::ServerInfo* response) {
  if (const grpc::Status user = CheckUser(*context, identities_); !user.ok()) return user;
  response->set_version(APK_VERSION);
  response->set_revision(configuration_.Current().revision);
  response->set_snapshot_version(snapshots_.Newest()->version);
  response->set_kubernetes_address(kubernetes_address_);
  return grpc::Status::OK;
}

}  // namespace apk

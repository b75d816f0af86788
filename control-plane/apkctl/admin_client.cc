// The only file of apkctl that includes gRPC.
#include "control-plane/apkctl/admin_client.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "apk/v1/admin.grpc.pb.h"
#include "apk/v1/backup.grpc.pb.h"
#include "apk/v1/identity.grpc.pb.h"
#include "apk/v1/rollout.grpc.pb.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kDeadline{60};
constexpr std::chrono::seconds kTransferDeadline{600};
constexpr std::chrono::seconds kPatience{30};  // With limits that pass.
constexpr std::chrono::seconds kConnectDeadline{5};
// Where there is another one to ask.
constexpr std::chrono::seconds kConnectDeadlineOfSeveral{2};

absl::StatusOr<std::string> ReadPem(const std::string& path, const char* what) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  const int error = errno;
  if (!file || file.bad()) {
    if (error == EACCES) {
      return absl::PermissionDeniedError(Concat("can't read the ", what, " ", path,
                                                ": Permission denied; run as its owner (sudo), or "
                                                "use a certificate of your own"));
    }
    return absl::NotFoundError(Concat("can't read the ", what, " ", path, ": ",
                                      std::strerror(error),
                                      "; the context in the apkctl configuration names it"));
  }
  if (text.find("-----BEGIN ") == std::string::npos) {
    return absl::InvalidArgumentError(
        Concat("the ", what, " ", path, " is no PEM file: it has no line \"-----BEGIN …\""));
  }
  return text;
}

// What gRPC says of a connection that did not come about, in words that say what to do.
std::string Explain(const ClientContextConfig& context, const std::string& reason) {
  const auto says = [&reason](std::string_view words) {
    return reason.find(words) != std::string::npos;
  };
  const std::string subject =
      Concat("can't connect to the control plane at ", context.server, ": ");
  if (says("Connection refused")) {
    return Concat(subject,
                  "nothing listens there; start apk-control-plane, or correct the address "
                  "(--server, or server in the context)");
  }
  if (says("empty address list")) {  // gRPC's way of saying that it could not use the key.
    return Concat(subject, "the client key ", context.client_key,
                  " does not belong to the client certificate ", context.client_certificate);
  }
  if (says("DNS resolution failed") || says("Domain name not found")) {
    return Concat(subject,
                  "the name can't be resolved; correct the address (--server, or server "
                  "in the context)");
  }
  if (says("certificate verify failed") || says("CERTIFICATE_VERIFY_FAILED")) {
    return Concat(subject, "its certificate is not signed by ", context.certificate_authority,
                  " or has expired; give the control plane's own ca.crt as certificateAuthority");
  }
  if (says("Peer name") || says("Hostname Verification")) {
    return Concat(subject,
                  "its certificate is for other names than this; use a name or address "
                  "that the control plane was started with");
  }
  if (says("wrong version number") || says("WRONG_VERSION_NUMBER") ||
      says("Ssl handshake failed")) {
    return Concat(subject, "what answers there is no control plane, or ",
                  context.client_certificate.empty()
                      ? "it takes no bearer tokens"
                      : Concat("refuses the certificate ", context.client_certificate),
                  " (", reason, ")");
  }
  return Concat(subject, reason);
}

// A limit of the control plane's was met, and nothing was done: it can be asked again.
bool IsForNow(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
         (status.error_message().find("; try again in") != std::string::npos ||
          status.error_message() == "Server Threadpool Exhausted");
}

// Those who were refused together don't come back together.
std::chrono::milliseconds RandomPause() {
  static std::minstd_rand random(std::random_device{}());
  return std::chrono::milliseconds(500 + random() % 1000);
}

// One control plane.
struct Peer {
  ClientContextConfig context;  // With this one as its server.
  std::chrono::seconds connect_deadline;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::AdminService::Stub> admin;
  std::unique_ptr<v1::BackupService::Stub> backup;
  std::unique_ptr<v1::IdentityService::Stub> identity;
  std::unique_ptr<v1::RolloutService::Stub> rollout;

  v1::AdminService::Stub& StubOf(const v1::AdminService::Stub*) const { return *admin; }
  v1::IdentityService::Stub& StubOf(const v1::IdentityService::Stub*) const { return *identity; }
  v1::RolloutService::Stub& StubOf(const v1::RolloutService::Stub*) const { return *rollout; }

  // `connected`: there was a connection to send the call on, so that it may be the control plane
  // that says it is not available.
  absl::Status ToStatus(const grpc::Status& status, bool connected) const {
    if (status.ok()) return absl::OkStatus();
    const std::string message = status.error_message();
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      return absl::DeadlineExceededError(
          Concat("the control plane at ", context.server, " did not answer in time"));
    }
    // The handshake ends for us before the control plane has looked at our certificate: what it
    // refuses is a connection that breaks.
    const bool broken = status.error_code() == grpc::StatusCode::UNAVAILABLE;
    const bool closed = broken && (message.find("ocket closed") != std::string::npos ||
                                   message.find("reset by peer") != std::string::npos ||
                                   message.find("alert") != std::string::npos);
    if (closed && context.client_certificate.empty()) {
      return absl::UnavailableError(
          Concat("the control plane at ", context.server,
                 " closed the connection: it stopped, or it takes no bearer tokens (it is started "
                 "with --oidc-issuer to take them), and wants a client certificate"));
    }
    if (closed) {
      return absl::UnavailableError(
          Concat("the control plane at ", context.server,
                 " closed the connection: it stopped, or it does not take the client certificate ",
                 context.client_certificate,
                 "; see when that expires: openssl x509 -noout -dates -issuer -in ",
                 context.client_certificate));
    }
    const bool lost = !connected || message.starts_with("failed to connect");
    if (broken && lost) return absl::UnavailableError(Explain(context, message));
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
  }

  // A control plane that is not there is said within seconds, whatever the call.
  absl::Status Connect() const {
    const auto deadline = std::chrono::system_clock::now() + connect_deadline;
    grpc_connectivity_state state = channel->GetState(true);
    while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE &&
           channel->WaitForStateChange(state, deadline)) {
      state = channel->GetState(true);
    }
    if (state == GRPC_CHANNEL_READY) return absl::OkStatus();
    if (state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
      return absl::UnavailableError(
          Explain(context, Concat("no answer in ", std::to_string(connect_deadline.count()),
                                  " s; is the address right, and does a firewall "
                                  "let the connection through?")));
    }
    // A call tells why.
    grpc::ClientContext call;
    call.set_deadline(deadline);
    v1::ServerInfo info;
    const grpc::Status status = admin->GetServerInfo(&call, v1::GetServerInfoRequest(), &info);
    if (status.ok()) return absl::OkStatus();
    return ToStatus(status, false);
  }
};

}  // namespace

struct AdminClient::Stub {
  std::vector<Peer> peers;
  size_t current = 0;  // Who answered last.

  // The first that can be connected to, beginning with the one that answered last. A call that was
  // sent is not sent to another one: it may have been carried out.
  absl::StatusOr<const Peer*> Connect() {
    std::string reasons;
    absl::Status status;
    for (size_t tried = 0; tried < peers.size(); ++tried) {
      const Peer& peer = peers[current];
      status = peer.Connect();
      if (!absl::IsUnavailable(status)) break;
      reasons += Concat(reasons.empty() ? "" : "\n", std::string(status.message()));
      current = (current + 1) % peers.size();
    }
    if (status.ok()) return &peers[current];
    return absl::IsUnavailable(status) ? absl::UnavailableError(reasons) : status;
  }

  template <class Request, class Response, class Service>
  absl::StatusOr<Response> Call(grpc::Status (Service::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                const Request& request) {
    ASSIGN_OR_RETURN(const Peer* const peer, Connect());
    Service& stub = peer->StubOf(static_cast<const Service*>(nullptr));
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      grpc::ClientContext call;
      call.set_deadline(std::chrono::system_clock::now() + kDeadline);
      Response response;
      const grpc::Status status = (stub.*method)(&call, request, &response);
      if (status.ok()) return response;
      if (!IsForNow(status) || std::chrono::steady_clock::now() > give_up) {
        return peer->ToStatus(status, true);
      }
      std::this_thread::sleep_for(RandomPause());
    }
  }
};

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Open(const ClientContextConfig& context) {
  // What gRPC logs of a handshake, we say in words of our own.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  const std::vector<std::string_view> servers = Split(context.server, ',');
  for (const std::string_view server : servers) {
    if (server.find(':') != std::string_view::npos) continue;
    return absl::InvalidArgumentError(Concat(
        "the server \"", server, "\" has no port: write host:port, for example ", server, ":7443"));
  }
  grpc::SslCredentialsOptions tls;
  ASSIGN_OR_RETURN(tls.pem_root_certs, ReadPem(context.certificate_authority, "CA certificate"));
  ASSIGN_OR_RETURN(const std::string token, TokenOf(context));
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (token.empty()) {
    ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadPem(context.client_certificate, "client certificate"));
    ASSIGN_OR_RETURN(tls.pem_private_key, ReadPem(context.client_key, "client key"));
    credentials = grpc::SslCredentials(tls);
  } else {
    credentials = grpc::CompositeChannelCredentials(grpc::SslCredentials(tls),
                                                    grpc::AccessTokenCredentials(token));
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  auto client = std::unique_ptr<AdminClient>(new AdminClient());
  client->stub_ = std::make_unique<Stub>();
  for (const std::string_view server : servers) {
    Peer& peer = client->stub_->peers.emplace_back();
    peer.context = context;
    peer.context.server = std::string(server);
    peer.connect_deadline = servers.size() == 1 ? kConnectDeadline : kConnectDeadlineOfSeveral;
    peer.channel = grpc::CreateCustomChannel(peer.context.server, credentials, arguments);
    peer.admin = v1::AdminService::NewStub(peer.channel);
    peer.backup = v1::BackupService::NewStub(peer.channel);
    peer.identity = v1::IdentityService::NewStub(peer.channel);
    peer.rollout = v1::RolloutService::NewStub(peer.channel);
  }
  return client;
}

AdminClient::~AdminClient() = default;

absl::StatusOr<v1::ApplyResponse> AdminClient::Apply(const v1::ApplyRequest& request) {
  return stub_->Call<v1::ApplyRequest, v1::ApplyResponse>(&v1::AdminService::Stub::Apply, request);
}

absl::StatusOr<v1::DeleteResponse> AdminClient::Delete(const v1::DeleteRequest& request) {
  return stub_->Call<v1::DeleteRequest, v1::DeleteResponse>(&v1::AdminService::Stub::Delete,
                                                            request);
}

absl::StatusOr<v1::GetResponse> AdminClient::Get(const v1::GetRequest& request) {
  return stub_->Call<v1::GetRequest, v1::GetResponse>(&v1::AdminService::Stub::Get, request);
}

absl::StatusOr<v1::ListResponse> AdminClient::List(const v1::ListRequest& request) {
  return stub_->Call<v1::ListRequest, v1::ListResponse>(&v1::AdminService::Stub::List, request);
}

absl::StatusOr<v1::ListRevisionsResponse> AdminClient::ListRevisions(
    const v1::ListRevisionsRequest& request) {
  return stub_->Call<v1::ListRevisionsRequest, v1::ListRevisionsResponse>(
      &v1::AdminService::Stub::ListRevisions, request);
}

absl::StatusOr<v1::RollbackResponse> AdminClient::Rollback(const v1::RollbackRequest& request) {
  return stub_->Call<v1::RollbackRequest, v1::RollbackResponse>(&v1::AdminService::Stub::Rollback,
                                                                request);
}

absl::StatusOr<v1::ListAgentsResponse> AdminClient::ListAgents() {
  return stub_->Call<v1::ListAgentsRequest, v1::ListAgentsResponse>(
      &v1::AdminService::Stub::ListAgents, v1::ListAgentsRequest());
}

absl::StatusOr<v1::CreateJoinTokenResponse> AdminClient::CreateJoinToken(
    const v1::CreateJoinTokenRequest& request) {
  return stub_->Call<v1::CreateJoinTokenRequest, v1::CreateJoinTokenResponse>(
      &v1::IdentityService::Stub::CreateJoinToken, request);
}

absl::StatusOr<v1::ListJoinTokensResponse> AdminClient::ListJoinTokens() {
  return stub_->Call<v1::ListJoinTokensRequest, v1::ListJoinTokensResponse>(
      &v1::IdentityService::Stub::ListJoinTokens, v1::ListJoinTokensRequest());
}

absl::Status AdminClient::DeleteJoinToken(const std::string& id) {
  v1::DeleteJoinTokenRequest request;
  request.set_id(id);
  return stub_
      ->Call<v1::DeleteJoinTokenRequest, v1::DeleteJoinTokenResponse>(
          &v1::IdentityService::Stub::DeleteJoinToken, request)
      .status();
}

absl::StatusOr<v1::LabelAgentResponse> AdminClient::LabelAgent(
    const v1::LabelAgentRequest& request) {
  return stub_->Call<v1::LabelAgentRequest, v1::LabelAgentResponse>(
      &v1::IdentityService::Stub::LabelAgent, request);
}

absl::StatusOr<v1::RevokeResponse> AdminClient::Revoke(const v1::RevokeRequest& request) {
  return stub_->Call<v1::RevokeRequest, v1::RevokeResponse>(&v1::IdentityService::Stub::Revoke,
                                                            request);
}

absl::Status AdminClient::Unrevoke(const v1::Subject& subject) {
  v1::UnrevokeRequest request;
  *request.mutable_subject() = subject;
  return stub_
      ->Call<v1::UnrevokeRequest, v1::UnrevokeResponse>(&v1::IdentityService::Stub::Unrevoke,
                                                        request)
      .status();
}

absl::StatusOr<v1::ListRevocationsResponse> AdminClient::ListRevocations() {
  return stub_->Call<v1::ListRevocationsRequest, v1::ListRevocationsResponse>(
      &v1::IdentityService::Stub::ListRevocations, v1::ListRevocationsRequest());
}

absl::StatusOr<v1::Authorities> AdminClient::GetAuthorities() {
  return stub_->Call<v1::GetAuthoritiesRequest, v1::Authorities>(
      &v1::IdentityService::Stub::GetAuthorities, v1::GetAuthoritiesRequest());
}

absl::StatusOr<v1::Authorities> AdminClient::RotateAuthority(
    const v1::RotateAuthorityRequest& request) {
  return stub_->Call<v1::RotateAuthorityRequest, v1::Authorities>(
      &v1::IdentityService::Stub::RotateAuthority, request);
}

absl::StatusOr<v1::RolloutPolicy> AdminClient::GetRolloutPolicy() {
  return stub_->Call<v1::GetRolloutPolicyRequest, v1::RolloutPolicy>(
      &v1::RolloutService::Stub::GetPolicy, v1::GetRolloutPolicyRequest());
}

absl::StatusOr<v1::RolloutPolicy> AdminClient::SetRolloutPolicy(
    const v1::SetRolloutPolicyRequest& request) {
  return stub_->Call<v1::SetRolloutPolicyRequest, v1::RolloutPolicy>(
      &v1::RolloutService::Stub::SetPolicy, request);
}

absl::StatusOr<v1::RolloutStatus> AdminClient::GetRollout() {
  return stub_->Call<v1::GetRolloutRequest, v1::RolloutStatus>(
      &v1::RolloutService::Stub::GetRollout, v1::GetRolloutRequest());
}

absl::StatusOr<v1::ListRolloutsResponse> AdminClient::ListRollouts() {
  return stub_->Call<v1::ListRolloutsRequest, v1::ListRolloutsResponse>(
      &v1::RolloutService::Stub::ListRollouts, v1::ListRolloutsRequest());
}

absl::StatusOr<v1::RolloutStatus> AdminClient::SteerRollout(
    const v1::SteerRolloutRequest& request) {
  return stub_->Call<v1::SteerRolloutRequest, v1::RolloutStatus>(&v1::RolloutService::Stub::Steer,
                                                                 request);
}

absl::StatusOr<v1::IssueTokenResponse> AdminClient::IssueToken(const std::string& scope) {
  v1::IssueTokenRequest request;
  request.set_scope(scope);
  return stub_->Call<v1::IssueTokenRequest, v1::IssueTokenResponse>(
      &v1::AdminService::Stub::IssueToken, request);
}

absl::StatusOr<v1::ServerInfo> AdminClient::GetServerInfo() {
  return stub_->Call<v1::GetServerInfoRequest, v1::ServerInfo>(
      &v1::AdminService::Stub::GetServerInfo, v1::GetServerInfoRequest());
}

absl::Status AdminClient::Export(
    const v1::ExportRequest& request,
    const std::function<absl::Status(const v1::ExportResponse&)>& take) {
  ASSIGN_OR_RETURN(const Peer* const peer, stub_->Connect());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTransferDeadline);
  const auto reader = peer->backup->Export(&context, request);
  v1::ExportResponse part;
  while (reader->Read(&part)) {
    const absl::Status taken = take(part);
    if (taken.ok()) continue;
    context.TryCancel();
    return taken;
  }
  return peer->ToStatus(reader->Finish(), true);
}

absl::StatusOr<std::string> AdminClient::Backup() {
  ASSIGN_OR_RETURN(const Peer* const peer, stub_->Connect());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTransferDeadline);
  const auto reader = peer->backup->Backup(&context, v1::BackupRequest());
  std::string file;
  v1::BackupResponse piece;
  while (reader->Read(&piece)) file += piece.data();
  RETURN_IF_ERROR(peer->ToStatus(reader->Finish(), true));
  return file;
}

absl::StatusOr<v1::RestoreResponse> AdminClient::Restore(
    const std::vector<v1::RestoreRequest>& parts) {
  ASSIGN_OR_RETURN(const Peer* const peer, stub_->Connect());
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTransferDeadline);
  v1::RestoreResponse response;
  const auto writer = peer->backup->Restore(&context, &response);
  for (const v1::RestoreRequest& part : parts) {
    if (!writer->Write(part)) break;  // Finish says why.
  }
  writer->WritesDone();
  RETURN_IF_ERROR(peer->ToStatus(writer->Finish(), true));
  return response;
}

const std::string& AdminClient::server() const {
  return stub_->peers[stub_->current].context.server;
}

absl::Status AdminClient::Watch(const v1::WatchRequest& request,
                                const std::function<bool(const v1::WatchEvent&)>& on_event) {
  ASSIGN_OR_RETURN(const Peer* const peer, stub_->Connect());
  grpc::ClientContext context;
  const auto reader = peer->admin->Watch(&context, request);
  v1::WatchEvent event;
  while (reader->Read(&event)) {
    if (on_event(event)) continue;
    context.TryCancel();
    return absl::OkStatus();
  }
  return peer->ToStatus(reader->Finish(), true);
}

}  // namespace apk

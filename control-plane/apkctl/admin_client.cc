// The only file of apkctl that includes gRPC.
#include "control-plane/apkctl/admin_client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <iterator>

#include "apk/v1/admin.grpc.pb.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace apk {
namespace {

constexpr std::chrono::seconds kDeadline{60};
constexpr std::chrono::seconds kConnectDeadline{5};

absl::StatusOr<std::string> ReadPem(const std::string& path, const char* what) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(Concat("can't read the ", what, " ", path,
                                      "; see the context in the apkctl configuration"));
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

}  // namespace

struct AdminClient::Stub {
  std::string server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::AdminService::Stub> admin;

  absl::Status ToStatus(const grpc::Status& status) const {
    if (status.ok()) return absl::OkStatus();
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }

  // A control plane that is not there is said within seconds, whatever the call.
  absl::Status Connect() const {
    if (channel->WaitForConnected(std::chrono::system_clock::now() + kConnectDeadline)) {
      return absl::OkStatus();
    }
    return absl::UnavailableError(
        Concat("can't connect to the control plane at ", server,
               ": is it running, and do the certificates belong to it? (--server, --config)"));
  }

  template <class Request, class Response, class Method>
  absl::StatusOr<Response> Call(Method method, const Request& request) const {
    RETURN_IF_ERROR(Connect());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    Response response;
    RETURN_IF_ERROR(ToStatus((admin.get()->*method)(&context, request, &response)));
    return response;
  }
};

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Open(const ClientContextConfig& context) {
  grpc::SslCredentialsOptions tls;
  ASSIGN_OR_RETURN(tls.pem_root_certs, ReadPem(context.certificate_authority, "CA certificate"));
  ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadPem(context.client_certificate, "client certificate"));
  ASSIGN_OR_RETURN(tls.pem_private_key, ReadPem(context.client_key, "client key"));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  auto client = std::unique_ptr<AdminClient>(new AdminClient());
  client->stub_ = std::make_unique<Stub>();
  client->stub_->server = context.server;
  client->stub_->channel =
      grpc::CreateCustomChannel(context.server, grpc::SslCredentials(tls), arguments);
  client->stub_->admin = v1::AdminService::NewStub(client->stub_->channel);
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

absl::StatusOr<v1::ListAgentsResponse> AdminClient::ListAgents() {
  return stub_->Call<v1::ListAgentsRequest, v1::ListAgentsResponse>(
      &v1::AdminService::Stub::ListAgents, v1::ListAgentsRequest());
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

absl::Status AdminClient::Watch(const v1::WatchRequest& request,
                                const std::function<bool(const v1::WatchEvent&)>& on_event) {
  RETURN_IF_ERROR(stub_->Connect());
  grpc::ClientContext context;
  const auto reader = stub_->admin->Watch(&context, request);
  v1::WatchEvent event;
  while (reader->Read(&event)) {
    if (on_event(event)) continue;
    context.TryCancel();
    return absl::OkStatus();
  }
  return stub_->ToStatus(reader->Finish());
}

}  // namespace apk

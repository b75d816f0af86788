// apkctl kubeconfig: what kubectl needs to talk to the same control plane as the same user.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/private_file.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "control-plane/apkctl/client_config.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/resources/base64.h"
#include "control-plane/resources/json.h"

namespace apk {
namespace {

using Json = nlohmann::ordered_json;

// The host by which apkctl reaches the control plane, and the port at which that answers kubectl.
absl::StatusOr<std::string> ServerUrl(const std::string& server, const std::string& listening) {
  if (listening.empty()) {
    return absl::FailedPreconditionError(
        "this control plane does not answer kubectl: start it with --kubernetes-listen");
  }
  const std::string host = server.substr(0, server.rfind(':'));
  const std::string bound = listening.substr(0, listening.rfind(':'));
  const bool local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
  if (!local && (bound.starts_with("127.") || bound == "[::1]")) {
    return absl::FailedPreconditionError(Concat(
        "this control plane answers kubectl on ", listening,
        " only: start it with --kubernetes-listen and an address that is reached from here"));
  }
  return Concat("https://", host, listening.substr(listening.rfind(':')));
}

// `key` with the path of the file, or `key`-data with what is in it.
absl::Status AddFile(const std::string& key, const std::string& path, bool flatten, Json& object) {
  if (!flatten) {
    object[key] = path;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
  object[key + "-data"] = EncodeBase64(content);
  return absl::OkStatus();
}

absl::StatusOr<Json> MakeKubeconfig(const ClientContextConfig& context, const std::string& url,
                                    bool flatten) {
  Json cluster{{"server", url}};
  Json user = Json::object();
  RETURN_IF_ERROR(
      AddFile("certificate-authority", context.certificate_authority, flatten, cluster));
  if (!context.token_file.empty() && !flatten) {
    user["tokenFile"] = std::filesystem::absolute(context.token_file).string();
  } else if (!context.token.empty() || !context.token_file.empty()) {
    ASSIGN_OR_RETURN(const std::string token, TokenOf(context));
    user["token"] = token;
  } else {
    RETURN_IF_ERROR(AddFile("client-certificate", context.client_certificate, flatten, user));
    RETURN_IF_ERROR(AddFile("client-key", context.client_key, flatten, user));
  }
  const std::string name = Concat("apk-", context.name);
  const Json target{{"cluster", name}, {"namespace", context.namespace_name}, {"user", name}};
  return Json{{"apiVersion", "v1"},
              {"kind", "Config"},
              {"clusters", Json::array({Json{{"name", name}, {"cluster", cluster}}})},
              {"users", Json::array({Json{{"name", name}, {"user", user}}})},
              {"contexts", Json::array({Json{{"name", name}, {"context", target}}})},
              {"current-context", name}};
}

}  // namespace

int RunKubeconfig(const GlobalFlags& global, bool flatten) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::ServerInfo> info = session->client->GetServerInfo();
  if (!info.ok()) return PrintError(info.status());
  const absl::StatusOr<std::string> url =
      ServerUrl(session->client->server(), info->kubernetes_address());
  if (!url.ok()) return PrintError(std::string(url.status().message()));
  ClientContextConfig context = session->context;
  context.namespace_name = session->namespace_name;
  const absl::StatusOr<Json> kubeconfig = MakeKubeconfig(context, *url, flatten);
  if (!kubeconfig.ok()) return PrintError(std::string(kubeconfig.status().message()));
  std::cout << ToYaml(*kubeconfig);
  return 0;
}

}  // namespace apk

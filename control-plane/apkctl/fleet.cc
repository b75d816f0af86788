// agents, token, version, config.
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/labels.h"
#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/json.h"

namespace apk {

int RunAgents(const GlobalFlags& global, const std::string& output) {
  std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::ListAgentsResponse> response = session->client->ListAgents();
  if (!response.ok()) return PrintError(response.status());
  if (output == "json" || output == "yaml") {
    // Here what is false counts, too: scripts wait for upToDate.
    nlohmann::ordered_json list;
    list["snapshotVersion"] = response->snapshot_version();
    list["revision"] = response->revision();
    list["agents"] = nlohmann::ordered_json::array();
    for (const v1::AgentStatus& agent : response->agents()) {
      nlohmann::ordered_json entry;
      entry["id"] = agent.id();
      entry["address"] = agent.address();
      entry["version"] = agent.version();
      entry["connected"] = agent.connected();
      entry["labels"] = nlohmann::ordered_json(LabelsOf(agent.labels()));
      entry["upToDate"] = agent.up_to_date();
      entry["snapshotVersion"] = agent.snapshot_version();
      entry["newestVersion"] = agent.newest_version();
      entry["snapshotRevision"] = agent.snapshot_revision();
      entry["lastError"] = agent.last_error();
      entry["connectedSince"] = agent.connected_since();
      entry["lastSeen"] = agent.last_seen();
      entry["listenerErrors"] = nlohmann::ordered_json::array();
      for (const v1::AgentListenerError& error : agent.listener_errors()) {
        entry["listenerErrors"].push_back(
            {{"listener", error.listener()}, {"message", error.message()}});
      }
      list["agents"].push_back(std::move(entry));
    }
    std::cout << (output == "json" ? list.dump(4) + "\n" : ToYaml(list));
    return 0;
  }
  if (response->agents().empty()) {
    std::cerr << "No agents have connected.\n";
    return 0;
  }
  std::vector<Row> rows = {{"ID", "ADDRESS", "CONNECTED", "UP-TO-DATE", "REVISION", "SNAPSHOT",
                            "LAST-SEEN", "LABELS", "MESSAGE"}};
  for (const v1::AgentStatus& agent : response->agents()) {
    std::vector<std::string> messages;
    if (!agent.last_error().empty()) messages.push_back(agent.last_error());
    for (const v1::AgentListenerError& error : agent.listener_errors())
      messages.push_back(Concat("listener ", error.listener(), ": ", error.message()));
    rows.push_back(
        {agent.id(), agent.address(), agent.connected() ? "True" : "False",
         agent.up_to_date() ? "True" : "False", std::to_string(agent.snapshot_revision()),
         agent.snapshot_version().substr(0, 12),
         agent.connected() ? "now" : AgeOf(agent.last_seen(), std::time(nullptr)),
         Join({agent.labels().begin(), agent.labels().end()}, ","), Join(messages, "; ")});
  }
  std::cout << FormatTable(rows);
  return 0;
}

int RunToken(const GlobalFlags& global, const std::string& scope) {
  std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::IssueTokenResponse> response = session->client->IssueToken(scope);
  if (!response.ok()) return PrintError(response.status());
  std::cout << response->access_token() << "\n";
  return 0;
}

int RunVersion(const GlobalFlags& global, bool client_only, const std::string& output) {
  nlohmann::ordered_json versions;
  versions["clientVersion"] = APK_VERSION;
  absl::Status problem;
  if (!client_only) {
    const absl::StatusOr<Session> session = TryOpenSession(global);
    const absl::StatusOr<v1::ServerInfo> info =
        session.ok() ? session->client->GetServerInfo() : session.status();
    problem = info.status();
    if (info.ok()) {
      versions["serverVersion"] = info->version();
      versions["revision"] = info->revision();
      versions["snapshotVersion"] = info->snapshot_version();
    }
  }
  if (output == "json") {
    std::cout << versions.dump(4) << "\n";
  } else if (output == "yaml") {
    std::cout << ToYaml(versions);
  } else {
    std::cout << "Client Version: " << APK_VERSION << "\n";
    if (versions.contains("serverVersion")) {
      std::cout << "Server Version: " << versions["serverVersion"].get<std::string>() << "\n"
                << "Revision: " << versions["revision"] << "\n"
                << "Snapshot: " << versions["snapshotVersion"].get<std::string>() << "\n";
    }
  }
  return problem.ok() ? 0 : PrintError(std::string(problem.message()));
}

int RunConfig(const GlobalFlags& global, const std::string& verb, const std::string& name) {
  const absl::StatusOr<ClientConfig> config = ReadClientConfig(FindClientConfig(global.config));
  if (!config.ok()) return PrintError(std::string(config.status().message()));
  if (verb == "current-context") {
    if (config->current_context.empty()) return PrintError("current-context is not set");
    std::cout << config->current_context << "\n";
    return 0;
  }
  if (verb == "use-context") {
    if (config->Find(name) == nullptr) {
      return PrintError(Concat("there is no context \"", name, "\" in ", config->path,
                               ", which has ", config->Names()));
    }
    const absl::Status written = WriteCurrentContext(*config, name);
    if (!written.ok()) return PrintError(std::string(written.message()));
    std::cout << "Switched to context \"" << name << "\".\n";
    return 0;
  }
  std::vector<Row> rows = {{"CURRENT", "NAME", "SERVER", "NAMESPACE"}};
  for (const ClientContextConfig& context : config->contexts) {
    rows.push_back({context.name == config->current_context ? "*" : "", context.name,
                    context.server, context.namespace_name});
  }
  std::cout << FormatTable(rows);
  return 0;
}

}  // namespace apk

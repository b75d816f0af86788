// agents token, agents revoke, users revoke, revocations.
#include <charconv>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/labels.h"
#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/duration.h"
#include "control-plane/resources/json.h"

namespace apk {
namespace {

std::string RoleOf(v1::Subject::Role role) { return role == v1::Subject::AGENT ? "agent" : "user"; }

v1::Subject SubjectOf(v1::Subject::Role role, const std::string& name) {
  v1::Subject subject;
  subject.set_role(role);
  subject.set_name(name);
  return subject;
}

void Print(const nlohmann::ordered_json& list, const std::string& output) {
  std::cout << (output == "json" ? list.dump(4) + "\n" : ToYaml(list));
}

}  // namespace

int RunCreateJoinToken(const GlobalFlags& global, const JoinTokenFlags& flags) {
  v1::CreateJoinTokenRequest request;
  const std::optional<uint32_t> life = ParseDurationMs(flags.ttl);
  if (!life.has_value() || *life < 1000) {
    return PrintError(Concat("--ttl: \"", flags.ttl,
                             "\" is no duration of a second or more, such as 15m or 24h"));
  }
  request.set_life_seconds(*life / 1000);
  uint32_t uses = 0;
  const char* const end = flags.uses.data() + flags.uses.size();
  const auto [last, error] = std::from_chars(flags.uses.data(), end, uses);
  if (error != std::errc() || last != end || uses == 0) {
    return PrintError(Concat("--uses: \"", flags.uses, "\" is no number above 0"));
  }
  request.set_uses(uses);
  request.set_agent(flags.agent);
  const absl::StatusOr<Labels> labels = ParseLabels(flags.labels);
  if (!labels.ok()) return PrintError(Concat("--label: ", std::string(labels.status().message())));
  request.mutable_labels()->insert(labels->begin(), labels->end());
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::CreateJoinTokenResponse> response =
      session->client->CreateJoinToken(request);
  if (!response.ok()) return PrintError(response.status());
  std::cout << response->token() << "\n";
  return 0;
}

int RunListJoinTokens(const GlobalFlags& global, const std::string& output) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::ListJoinTokensResponse> response = session->client->ListJoinTokens();
  if (!response.ok()) return PrintError(response.status());
  if (output != "table") {
    nlohmann::ordered_json list;
    list["tokens"] = nlohmann::ordered_json::array();
    for (const v1::JoinTokenStatus& token : response->tokens()) {
      nlohmann::ordered_json entry = {{"id", token.id()},           {"agent", token.agent()},
                                      {"uses", token.uses()},       {"usesMax", token.uses_max()},
                                      {"created", token.created()}, {"expires", token.expires()},
                                      {"expired", token.expired()}, {"author", token.author()}};
      entry["labels"] = nlohmann::ordered_json(LabelsOf(token.labels()));
      entry["agents"] = nlohmann::ordered_json::array();
      for (const std::string& agent : token.agents()) entry["agents"].push_back(agent);
      list["tokens"].push_back(std::move(entry));
    }
    Print(list, output);
    return 0;
  }
  if (response->tokens().empty()) {
    std::cerr << "There are no join tokens.\n";
    return 0;
  }
  std::vector<Row> rows = {{"ID", "FOR", "USES", "EXPIRES", "AGE", "AUTHOR", "LABELS", "AGENTS"}};
  for (const v1::JoinTokenStatus& token : response->tokens()) {
    rows.push_back({token.id(), token.agent().empty() ? "any" : token.agent(),
                    Concat(std::to_string(token.uses()), "/", std::to_string(token.uses_max())),
                    token.expired() ? "expired" : token.expires(),
                    AgeOf(token.created(), std::time(nullptr)), token.author(),
                    Join({token.labels().begin(), token.labels().end()}, ","),
                    Join({token.agents().begin(), token.agents().end()}, ", ")});
  }
  std::cout << FormatTable(rows);
  return 0;
}

int RunDeleteJoinToken(const GlobalFlags& global, const std::string& id) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::Status deleted = session->client->DeleteJoinToken(id);
  if (!deleted.ok()) return PrintError(deleted);
  std::cout << "token " << id << " deleted\n";
  return 0;
}

int RunLabelAgent(const GlobalFlags& global, const std::string& agent,
                  const std::vector<std::string>& changes) {
  v1::LabelAgentRequest request;
  request.set_agent(agent);
  std::vector<std::string> set;
  for (const std::string& change : changes) {
    const bool removes = change.ends_with('-') && change.find('=') == std::string::npos;
    if (removes) {
      request.add_remove(change.substr(0, change.size() - 1));
    } else {
      set.push_back(change);
    }
  }
  const absl::StatusOr<Labels> labels = ParseLabels(set);
  if (!labels.ok()) return PrintError(std::string(labels.status().message()));
  request.mutable_set()->insert(labels->begin(), labels->end());
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::LabelAgentResponse> response = session->client->LabelAgent(request);
  if (!response.ok()) return PrintError(response.status());
  const std::string all = Join({response->labels().begin(), response->labels().end()}, ",");
  std::cout << "agent " << agent << (all.empty() ? " has no labels" : " labelled " + all) << "\n";
  return 0;
}

int RunRevoke(const GlobalFlags& global, v1::Subject::Role role, const std::string& name,
              const std::string& reason) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::RevokeRequest request;
  *request.mutable_subject() = SubjectOf(role, name);
  request.set_reason(reason);
  const absl::Status revoked = session->client->Revoke(request);
  if (!revoked.ok()) return PrintError(revoked);
  std::cout << RoleOf(role) << " " << name << " revoked\n";
  return 0;
}

int RunUnrevoke(const GlobalFlags& global, v1::Subject::Role role, const std::string& name) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::Status done = session->client->Unrevoke(SubjectOf(role, name));
  if (!done.ok()) return PrintError(done);
  std::cout << RoleOf(role) << " " << name << " let in again\n";
  return 0;
}

int RunRevocations(const GlobalFlags& global, const std::string& output) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::ListRevocationsResponse> response = session->client->ListRevocations();
  if (!response.ok()) return PrintError(response.status());
  if (output != "table") {
    nlohmann::ordered_json list;
    list["revocations"] = nlohmann::ordered_json::array();
    for (const v1::Revocation& revocation : response->revocations()) {
      list["revocations"].push_back({{"role", RoleOf(revocation.subject().role())},
                                     {"name", revocation.subject().name()},
                                     {"revoked", revocation.revoked()},
                                     {"author", revocation.author()},
                                     {"reason", revocation.reason()},
                                     {"joinedAgain", revocation.joined_again()}});
    }
    Print(list, output);
    return 0;
  }
  if (response->revocations().empty()) {
    std::cerr << "Nobody is revoked.\n";
    return 0;
  }
  std::vector<Row> rows = {{"ROLE", "NAME", "AGE", "AUTHOR", "JOINED-AGAIN", "REASON"}};
  for (const v1::Revocation& revocation : response->revocations()) {
    rows.push_back({RoleOf(revocation.subject().role()), revocation.subject().name(),
                    AgeOf(revocation.revoked(), std::time(nullptr)), revocation.author(),
                    revocation.joined_again() ? "True" : "False", revocation.reason()});
  }
  std::cout << FormatTable(rows);
  return 0;
}

}  // namespace apk

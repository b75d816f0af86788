// rollout: what a change is at on its way to the agents, and its policy.
#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/manifest_files.h"
#include "control-plane/apkctl/printable.h"
#include "control-plane/apkctl/problem_report.h"
#include "control-plane/apkctl/table.h"
#include "control-plane/resources/json.h"

namespace apk {
namespace {

constexpr std::chrono::milliseconds kPause{200};
constexpr char kNoPolicy[] =
    "There is no rollout policy: every agent gets each change at once (apkctl rollout policy "
    "set).\n";

template <class Message>
void Print(const Message& message, const std::string& output) {
  std::cout << (output == "json" ? ToJson(message).dump(4) + "\n" : ToYaml(message));
}

bool IsUnderWay(const v1::Rollout& rollout) {
  return rollout.state() == "Progressing" || rollout.state() == "Paused";
}

std::string ShareOf(uint64_t part, uint64_t whole) {
  if (whole == 0) return std::to_string(part);
  char text[64];
  std::snprintf(text, sizeof text, "%llu (%.1f %%)", static_cast<unsigned long long>(part),
                100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

Row RowOf(const std::string& name, const v1::Traffic& traffic) {
  return {name, std::to_string(traffic.requests()),
          ShareOf(traffic.responses_5xx(), traffic.requests()),
          ShareOf(traffic.gateway_errors(), traffic.requests())};
}

void PrintStatus(const v1::RolloutStatus& status) {
  if (!status.has_policy()) std::cout << kNoPolicy;
  const std::string line = LineOf(status);
  if (!line.empty()) std::cout << Printable(line) << "\n";
  if (status.promoted_revision() != 0) {
    std::cout << "Agents that no rollout has reached run revision " << status.promoted_revision()
              << ".\n";
  }
  for (const v1::HeldObject& held : status.held()) {
    std::cout << "\n" << Printable(TextOf(held)) << "\n";
  }
  if (!status.held().empty()) {
    std::cout << "Apply it mended, go back (apkctl rollback), or have agents try it anew (apkctl "
                 "rollout retry).\n";
  }
  if (status.rollout().state() != "Failed") {
    for (const v1::RolloutRefusal& refusal : status.rollout().refusals()) {
      std::cout << "\n"
                << Printable(Concat("agent ", refusal.agent(),
                                    " refuses what others run: ", refusal.resource(),
                                    refusal.resource().empty() ? "" : ": ", refusal.message()))
                << "\n";
    }
  }
  if (status.stages().empty()) return;
  std::vector<Row> stages = {{"STAGE", "STATE", "AGENTS", "CONNECTED", "RUNNING"}};
  for (const v1::RolloutStageStatus& stage : status.stages()) {
    stages.push_back({stage.name(), stage.state(), std::to_string(stage.agents()),
                      std::to_string(stage.connected()), std::to_string(stage.running())});
  }
  std::cout << "\n" << FormatTable(stages);
  if (status.canaries().requests() == 0 && status.baseline().requests() == 0) return;
  std::cout << "\n"
            << FormatTable({{"TRAFFIC", "REQUESTS", "5XX", "GATEWAY-ERRORS"},
                            RowOf("with it", status.canaries()),
                            RowOf("without", status.baseline())});
}

// One line for each change, until it has ended.
int Watch(const Session& session) {
  std::string shown;
  for (;;) {
    const absl::StatusOr<v1::RolloutStatus> status = session.client->GetRollout();
    if (!status.ok()) return PrintError(status.status());
    if (status->rollout().number() == 0) {
      std::cout << "There was no rollout yet.\n";
      return 0;
    }
    const std::string line = LineOf(*status);
    if (line != shown) std::cout << Printable(line) << std::endl;
    shown = line;
    if (!IsUnderWay(status->rollout())) return status->rollout().state() == "Promoted" ? 0 : 1;
    std::this_thread::sleep_for(kPause);
  }
}

// Where the message begins with a field of the document, that is where it is wrong.
int RefusePolicy(const absl::Status& status, const ManifestDocument& document) {
  const std::string message(status.message());
  const size_t colon = message.find(": ");
  if (!absl::IsInvalidArgument(status) || colon == std::string::npos) return PrintError(status);
  ProblemReport report;
  const std::string field = message.substr(0, colon);
  report.AddError(document.Locate(field), field, message.substr(colon + 2), "");
  return 1;
}

}  // namespace

std::string LineOf(const v1::RolloutStatus& status) {
  const v1::Rollout& rollout = status.rollout();
  if (rollout.number() == 0) return "";
  std::string line = Concat("rollout ", std::to_string(rollout.number()), " of revision ",
                            std::to_string(rollout.revision()), ": ", rollout.state());
  if (!rollout.stage().empty() && rollout.state() != "Promoted") {
    line += Concat(IsUnderWay(rollout) ? ", stage " : " at stage ", rollout.stage());
  }
  if (!rollout.reason().empty()) line += Concat(": ", rollout.reason());
  if (!status.search().empty()) line += Concat(", ", status.search());
  if (!status.waits_for().empty()) line += Concat(", waits for ", status.waits_for());
  return line;
}

std::string TextOf(const v1::HeldObject& held) {
  const std::string space = held.namespace_().empty() ? "" : held.namespace_() + "/";
  const std::string goes_on = held.absent() ? "have none of it"
                                            : Concat("go on with what it was at revision ",
                                                     std::to_string(held.accepted_revision()));
  return Concat(
      held.kind(), " ", space, held.name(), " is held back, agents ", goes_on, ": revision ",
      std::to_string(held.revision()), " of it is refused by ",
      held.agents() == 1 ? "one of them, " : Concat(std::to_string(held.agents()), " of them, "),
      held.agent(), ": ", held.message());
}

int RunRolloutStatus(const GlobalFlags& global, const std::string& output, bool watch) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  if (watch) return Watch(*session);
  const absl::StatusOr<v1::RolloutStatus> status = session->client->GetRollout();
  if (!status.ok()) return PrintError(status.status());
  if (output == "table") {
    PrintStatus(*status);
  } else {
    Print(*status, output);
  }
  return 0;
}

int RunRolloutHistory(const GlobalFlags& global, const std::string& output) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::ListRolloutsResponse> list = session->client->ListRollouts();
  if (!list.ok()) return PrintError(list.status());
  if (output != "table") {
    Print(*list, output);
    return 0;
  }
  if (list->rollouts().empty()) {
    std::cerr << "No rollout has ended yet.\n";
    return 0;
  }
  std::vector<Row> rows = {{"ROLLOUT", "REVISION", "FROM", "AGE", "STATE", "STAGE", "REASON"}};
  for (const v1::Rollout& rollout : list->rollouts()) {
    rows.push_back({std::to_string(rollout.number()), std::to_string(rollout.revision()),
                    std::to_string(rollout.from_revision()),
                    AgeOf(rollout.started(), std::time(nullptr)), rollout.state(), rollout.stage(),
                    rollout.reason()});
  }
  std::cout << FormatTable(rows);
  return 0;
}

int RunSteerRollout(const GlobalFlags& global, v1::SteerRolloutRequest::Action action) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  // What somebody sees is what they mean.
  const absl::StatusOr<v1::RolloutStatus> seen = session->client->GetRollout();
  if (!seen.ok()) return PrintError(seen.status());
  v1::SteerRolloutRequest request;
  request.set_action(action);
  request.set_number(seen->rollout().number());
  const absl::StatusOr<v1::RolloutStatus> status = session->client->SteerRollout(request);
  if (!status.ok()) return PrintError(status.status());
  std::cout << Printable(LineOf(*status)) << "\n";
  return 0;
}

int RunShowRolloutPolicy(const GlobalFlags& global, const std::string& output) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::StatusOr<v1::RolloutPolicy> policy = session->client->GetRolloutPolicy();
  if (!policy.ok()) return PrintError(policy.status());
  if (policy->stages().empty()) {
    std::cerr << kNoPolicy;
  } else {
    Print(*policy, output);
  }
  return 0;
}

int RunSetRolloutPolicy(const GlobalFlags& global, const std::vector<std::string>& files) {
  if (files.size() != 1) return PrintError("must specify -f: one file, or - for standard input");
  std::string text;
  if (!ReadText(files[0], text)) return 1;
  const ManifestResult read = ReadDocument(text, files[0] == "-" ? "STDIN" : files[0],
                                           std::make_unique<v1::RolloutPolicy>());
  ProblemReport report;
  for (const ManifestProblem& problem : read.problems) {
    report.AddError(problem.at, problem.field_path, problem.message, problem.hint);
  }
  if (report.has_errors()) return 1;
  if (read.documents.empty()) return PrintError(Concat("there is nothing in ", files[0]));
  const ManifestDocument& document = read.documents.front();
  v1::SetRolloutPolicyRequest request;
  request.mutable_policy()->CopyFrom(*document.object);
  if (request.policy().stages().empty()) {
    return PrintError("the policy has no stages; for none at all: apkctl rollout policy remove");
  }
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  const absl::Status set = session->client->SetRolloutPolicy(request).status();
  if (!set.ok()) return RefusePolicy(set, document);
  std::cout << "rollout policy set\n";
  return 0;
}

int RunRemoveRolloutPolicy(const GlobalFlags& global, bool force) {
  const std::optional<Session> session = OpenSession(global);
  if (!session.has_value()) return 1;
  v1::SetRolloutPolicyRequest request;
  request.set_force(force);
  const absl::Status removed = session->client->SetRolloutPolicy(request).status();
  if (!removed.ok()) return PrintError(removed);
  std::cout << "rollout policy removed\n";
  return 0;
}

}  // namespace apk

// A change is live when every agent that is connected has acknowledged what of it is for the agent.
#include <iostream>
#include <thread>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"
#include "control-plane/apkctl/printable.h"
#include "control-plane/resources/duration.h"

namespace apk {
namespace {

constexpr std::chrono::milliseconds kPause{50};

// `newest`: the whole snapshot's version, for control planes that do not tell the agent's.
bool Refuses(const v1::AgentStatus& agent, const std::string& newest) {
  const std::string& wanted = agent.newest_version().empty() ? newest : agent.newest_version();
  return !wanted.empty() && agent.refused_version() == wanted;
}

// What keeps an agent from running the newest snapshot that is for it; "" where nothing does.
std::string ReasonBehind(const v1::AgentStatus& agent, const std::string& newest) {
  if (!agent.connected() || agent.up_to_date()) return "";
  if (Refuses(agent, newest)) return Concat("refuses it: ", agent.last_error());
  return Concat("still runs revision ", std::to_string(agent.snapshot_revision()));
}

struct FleetState {
  size_t connected = 0;
  bool refused = false;
  std::vector<std::string> behind;    // "agent a: still runs revision 7"
  std::vector<std::string> unserved;  // Listeners of agents that run it.
};

FleetState StateOf(const v1::ListAgentsResponse& response) {
  FleetState state;
  for (const v1::AgentStatus& agent : response.agents()) {
    if (!agent.connected()) continue;
    ++state.connected;
    const std::string reason = ReasonBehind(agent, response.snapshot_version());
    if (!reason.empty()) state.behind.push_back(Concat("agent ", agent.id(), ": ", reason));
    if (Refuses(agent, response.snapshot_version())) state.refused = true;
    for (const v1::AgentListenerError& error : agent.listener_errors()) {
      state.unserved.push_back(
          Concat("agent ", agent.id(), ": listener ", error.listener(), ": ", error.message()));
    }
  }
  return state;
}

bool IsAbout(const v1::HeldObject& held, const v1::ObjectKey& key) {
  return held.group() == key.group() && held.kind() == key.kind() &&
         held.namespace_() == key.namespace_() && held.name() == key.name();
}

// What becomes of the newest change where there is a policy: it is told as it goes on.
class RolloutWatch {
 public:
  explicit RolloutWatch(const std::vector<v1::ObjectKey>& about) : about_(about) {}

  // False where there is nobody to ask.
  bool Look(const Session& session) {
    const absl::StatusOr<v1::RolloutStatus> status = session.client->GetRollout();
    if (!status.ok() || !status->has_policy()) return false;
    held_.clear();
    for (const v1::HeldObject& held : status->held()) {
      for (const v1::ObjectKey& key : about_) {
        if (IsAbout(held, key)) held_.push_back(TextOf(held));
      }
    }
    const v1::Rollout& rollout = status->rollout();
    const bool about_newest = rollout.number() != 0 &&
                              rollout.revision() == status->newest_revision() &&
                              rollout.revision() > status->promoted_revision();
    const std::string line = about_newest ? LineOf(*status) : "";
    stopped_ = about_newest && !status->goes_on() &&
               (rollout.state() == "Failed" || rollout.state() == "Aborted");
    if (stopped_) {
      reason_ = line;
    } else if (!line.empty() && line != shown_) {
      std::cout << Printable(line) << std::endl;
      shown_ = line;
    }
    return true;
  }
  bool stopped() const { return stopped_; }
  const std::string& reason() const { return reason_; }
  // What of the change agents are not given, and why.
  const std::vector<std::string>& held() const { return held_; }

 private:
  const std::vector<v1::ObjectKey>& about_;
  std::vector<std::string> held_;
  bool stopped_ = false;
  std::string reason_;
  std::string shown_;
};

int TellHeld(uint64_t revision, const std::vector<std::string>& held) {
  for (const std::string& text : held) PrintError(text);
  return PrintError(Concat("revision ", std::to_string(revision),
                           " is live but for that: apply it again mended, go back (apkctl "
                           "rollback), or have agents try it anew (apkctl rollout retry)"));
}

}  // namespace

std::optional<std::chrono::milliseconds> ParsePatience(const std::string& text) {
  if (text == "none") return std::chrono::milliseconds(0);
  const std::optional<uint32_t> patience = ParseDurationMs(text);
  if (patience.has_value()) return std::chrono::milliseconds(*patience);
  PrintError(Concat("--wait: \"", text, "\" is no time: write 500ms, 30s or 2m"));
  return std::nullopt;
}

int WaitForAgents(const Session& session, uint64_t revision,
                  const std::vector<v1::ObjectKey>& about, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  FleetState state;
  RolloutWatch rollout(about);
  bool staged = true;
  do {
    staged = staged && rollout.Look(session);
    if (rollout.stopped()) return PrintError(rollout.reason());
    const absl::StatusOr<v1::ListAgentsResponse> response = session.client->ListAgents();
    if (!response.ok()) return PrintError(response.status());
    state = StateOf(*response);
    if (state.refused && !staged) break;
    if (state.connected > 0 && state.behind.empty()) {
      if (staged) rollout.Look(session);  // It may have been held back only now.
      if (!rollout.held().empty()) return TellHeld(revision, rollout.held());
      std::cout << "revision " << revision << " is live on " << state.connected
                << (state.connected == 1 ? " agent\n" : " agents\n");
      std::cout.flush();
      for (const std::string& text : state.unserved) PrintError(text);
      return state.unserved.empty() ? 0 : 1;
    }
    std::this_thread::sleep_for(kPause);
  } while (std::chrono::steady_clock::now() < until);
  for (const std::string& text : state.behind) PrintError(text);
  if (state.connected == 0) PrintError("no agent is connected");
  return PrintError(Concat("revision ", std::to_string(revision),
                           " is stored, but not live everywhere: see apkctl agents"));
}

}  // namespace apk

// What apkctl's commands share, and their entry points: flags in, exit code out.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control-plane/apkctl/admin_client.h"
#include "control-plane/apkctl/client_config.h"
#include "control-plane/apkctl/command_line.h"
#include "control-plane/resources/kind_registry.h"

namespace apk {

struct GlobalFlags {
  std::string config;
  std::string context;
  std::string server;
  std::string token;
  std::string token_file;
  std::string namespace_name;  // "": the context's.
  bool all_namespaces = false;
};

// A connection and the namespace that objects without one get.
struct Session {
  ClientContextConfig context;
  std::unique_ptr<AdminClient> client;
  std::string namespace_name;
};
// NOT_FOUND, PERMISSION_DENIED or INVALID_ARGUMENT, with a message for the user.
absl::StatusOr<Session> TryOpenSession(const GlobalFlags& flags);
// Prints what is wrong and is empty then.
std::optional<Session> OpenSession(const GlobalFlags& flags);

// "Error from server (NotFound): …", or "error: …" for what is not the server's. Returns exit
// code 1.
int PrintError(const absl::Status& status);
int PrintError(std::string_view message);

// Prints what is wrong; nullptr then.
const Kind* RequireKind(std::string_view word);

struct FileFlags {
  std::vector<std::string> files;  // Files, directories, "-".
  bool recursive = false;
};

struct ApplyFlags {
  FileFlags input;
  std::string dry_run = "none";  // none, client, server
  std::string wait = "none";     // Or for how long: "30s".
  std::string selector;          // "": none.
  bool prune = false;            // Delete what left the set that the selector names.
};
int RunApply(const GlobalFlags& global, const ApplyFlags& flags);
int RunValidate(const GlobalFlags& global, const FileFlags& input);

struct DeleteFlags {
  FileFlags input;
  std::vector<std::string> names;  // KIND NAME… or KIND/NAME…
  bool all = false;                // Of the kinds named, in the namespace.
  std::string selector;            // "": none.
  bool ignore_not_found = false;
  std::string dry_run = "none";
};
int RunDelete(const GlobalFlags& global, const DeleteFlags& flags);

struct GetFlags {
  std::vector<std::string> names;
  std::string output = "table";
  std::string selector;
  bool watch = false;
  bool output_watch_events = false;
  bool no_headers = false;
  bool ignore_not_found = false;
};
int RunGet(const GlobalFlags& global, const GetFlags& flags);

struct DescribeFlags {
  std::vector<std::string> names;
  std::string selector;
};
int RunDescribe(const GlobalFlags& global, const DescribeFlags& flags);

// What there is and what an apply would make of it, as $APKCTL_EXTERNAL_DIFF or `diff -u` shows it.
// Exit code 0 where nothing differs, 1 where something does, more for an error.
int RunDiff(const GlobalFlags& global, const FileFlags& input);
inline constexpr int kDiffFailed = 2;  // As diff's own; 1 is for differences.

struct HistoryFlags {
  std::string limit = "20";
  bool statuses = false;
  std::string output = "table";  // table, yaml, json
};
int RunHistory(const GlobalFlags& global, const HistoryFlags& flags);
int RunRollback(const GlobalFlags& global, const std::string& to, const std::string& dry_run);

struct ExportFlags {
  std::string output = "-";  // A directory, or "-" for standard output.
  bool with_secrets = false;
};
// With -n what is in that namespace alone.
int RunExport(const GlobalFlags& global, const ExportFlags& flags);

// Writes `path`, which only the user may read.
int RunBackup(const GlobalFlags& global, const std::string& path);
struct RestoreFlags {
  std::string file;
  std::string dry_run = "none";  // none, server
  bool force = false;            // Replace what is there.
};
int RunRestore(const GlobalFlags& global, const RestoreFlags& flags);

// "created", for messages.
const char* VerbOf(v1::ObjectResult::Action action);
// nullopt, and it is said, where `text` is neither "none" nor a duration.
std::optional<std::chrono::milliseconds> ParsePatience(const std::string& text);
// Until every connected agent runs the newest snapshot, which is at least that of `revision`; says
// which does not, and why, and what a rollout of it does. Returns the exit code.
// `about`: what the revision changed.
int WaitForAgents(const Session& session, uint64_t revision,
                  const std::vector<v1::ObjectKey>& about, std::chrono::milliseconds patience);

int RunAgents(const GlobalFlags& global, const std::string& output);

struct JoinTokenFlags {
  std::string ttl = "15m";
  std::string uses = "1";
  std::string agent;  // "": any that is new.
  std::vector<std::string> labels;
  std::string output = "table";
};
// Prints the token alone, for scripts.
int RunCreateJoinToken(const GlobalFlags& global, const JoinTokenFlags& flags);
int RunListJoinTokens(const GlobalFlags& global, const std::string& output);
int RunDeleteJoinToken(const GlobalFlags& global, const std::string& id);
// Each change is "key=value" or "key-".
int RunLabelAgent(const GlobalFlags& global, const std::string& agent,
                  const std::vector<std::string>& changes);
int RunRevoke(const GlobalFlags& global, v1::Subject::Role role, const std::string& name,
              const std::string& reason);
int RunUnrevoke(const GlobalFlags& global, v1::Subject::Role role, const std::string& name);
int RunRevocations(const GlobalFlags& global, const std::string& output);
int RunShowAuthority(const GlobalFlags& global, const std::string& output);
int RunRotateAuthority(const GlobalFlags& global, v1::RotateAuthorityRequest::Step step,
                       bool force);
// What a rollout is at, in a line; "" where there was none.
std::string LineOf(const v1::RolloutStatus& status);
// Why an object is held back, in a sentence.
std::string TextOf(const v1::HeldObject& held);
// With `watch` until it has ended; then the exit code says whether it was promoted.
int RunRolloutStatus(const GlobalFlags& global, const std::string& output, bool watch);
int RunRolloutHistory(const GlobalFlags& global, const std::string& output);
int RunSteerRollout(const GlobalFlags& global, v1::SteerRolloutRequest::Action action);
int RunShowRolloutPolicy(const GlobalFlags& global, const std::string& output);
int RunSetRolloutPolicy(const GlobalFlags& global, const std::vector<std::string>& files);
int RunRemoveRolloutPolicy(const GlobalFlags& global, bool force);
int RunToken(const GlobalFlags& global, const std::string& scope);
// `output` is "text", "yaml" or "json".
int RunVersion(const GlobalFlags& global, bool client_only, const std::string& output);
// Prints it. `flatten` puts the certificates and the key into it instead of their paths.
int RunKubeconfig(const GlobalFlags& global, bool flatten);
int RunConfig(const GlobalFlags& global, const std::string& verb, const std::string& name);
int RunCompletion(const std::string& shell);
// Prints what may stand for the last of `words`, one a line.
int RunComplete(const Program& program, const std::vector<std::string>& words);
// For completion: nothing is printed where the control plane doesn't answer.
std::vector<std::string> NamesOfObjects(const GlobalFlags& global, const Kind& kind);

// One KIND NAME pair, or a whole kind where `name` is "".
struct Target {
  const Kind* kind = nullptr;
  std::string name;
};
// "httproute a b", "httproute/a svc/b", "gateways,routes". Prints what is wrong and is empty then.
std::optional<std::vector<Target>> ParseTargets(const std::vector<std::string>& words);

// "httproute.gateway.networking.k8s.io/production-httproute"
std::string ResourceName(const v1::ObjectKey& key);
// The object in an Any; nullptr for kinds that this program does not know.
std::unique_ptr<google::protobuf::Message> Unpack(const google::protobuf::Any& any);

}  // namespace apk

// apkctl: the command table.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "control-plane/apkctl/command_line.h"
#include "control-plane/apkctl/commands.h"

namespace apk {
namespace {

constexpr size_t kAny = static_cast<size_t>(-1);

using Arguments = const std::vector<std::string>&;

// Everything that flags set; lives as long as the table.
struct Flags {
  GlobalFlags global;
  ApplyFlags apply;
  DeleteFlags remove;
  GetFlags get;
  DescribeFlags describe;
  FileFlags validate;
  FileFlags diff;
  HistoryFlags history;
  ExportFlags export_to;
  std::string backup_to;
  RestoreFlags restore;
  std::string rollback_to;
  std::string rollback_dry_run = "none";
  std::string agents_output = "table";
  JoinTokenFlags join_token;
  std::string revoke_reason;
  std::string revocations_output = "table";
  std::string authority_output = "table";
  bool force_retirement = false;
  std::string rollout_output = "table";
  std::string policy_output = "yaml";
  std::vector<std::string> policy_files;
  bool rollout_watch = false;
  bool force_policy = false;
  std::string scope;
  bool client_only = false;
  bool flatten = false;
  std::string version_output = "text";
};

void AddFiles(FileFlags& files, Command& command) {
  command.flags.push_back({.name = "filename",
                           .shorthand = 'f',
                           .help = "Files and directories, - for standard input",
                           .list = &files.files,
                           .value = Flag::Value::kFile});
  command.flags.push_back({.name = "recursive",
                           .shorthand = 'R',
                           .help = "Directories with all below them",
                           .on = &files.recursive});
}

void AddSelector(std::string& selector, Command& command) {
  command.flags.push_back({.name = "selector",
                           .shorthand = 'l',
                           .help = "Only what has these labels: a=b,c!=d,e,!f,g in (x,y)",
                           .text = &selector});
}

void AddAllNamespaces(GlobalFlags& global, Command& command) {
  command.flags.push_back({.name = "all-namespaces",
                           .shorthand = 'A',
                           .help = "All namespaces",
                           .on = &global.all_namespaces});
}

void AddOutput(std::string& output, std::vector<std::string> choices, Command& command) {
  command.flags.push_back({.name = "output",
                           .shorthand = 'o',
                           .help = "Format",
                           .text = &output,
                           .choices = std::move(choices)});
}

void AddDryRun(std::string& dry_run, Command& command) {
  command.flags.push_back({.name = "dry-run",
                           .help = "Change nothing; client asks only what is there",
                           .text = &dry_run,
                           .choices = {"none", "client", "server"},
                           .bare = "client"});
}

void AddServerDryRun(std::string& dry_run, Command& command) {
  command.flags.push_back({.name = "dry-run",
                           .help = "Change nothing, say what would change",
                           .text = &dry_run,
                           .choices = {"none", "server"},
                           .bare = "server"});
}

std::vector<Flag> ProgramFlags(GlobalFlags& global) {
  return {{.name = "namespace",
           .shorthand = 'n',
           .help = "Namespace, else the context's",
           .text = &global.namespace_name,
           .value = Flag::Value::kNamespace},
          {.name = "config",
           .help = "Configuration, else $APKCTL_CONFIG, ~/.config/apkctl/config.yaml",
           .text = &global.config,
           .value = Flag::Value::kFile},
          {.name = "context",
           .help = "Context of the configuration",
           .text = &global.context,
           .value = Flag::Value::kContext},
          {.name = "server",
           .shorthand = 's',
           .help = "Control plane, host:port, instead of the context's; several of one store with "
                   "commas between",
           .text = &global.server},
          {.name = "token",
           .help = "Bearer token instead of a certificate, else $APKCTL_TOKEN; others on this "
                   "machine may see it: rather give a file",
           .text = &global.token},
          {.name = "token-file",
           .help = "File with a bearer token, else $APKCTL_TOKEN_FILE",
           .text = &global.token_file,
           .value = Flag::Value::kFile}};
}

Command ApplyCommand(Flags& flags) {
  Command command{
      .name = "apply", .arguments = "-f FILE", .help = "Create or change objects, all or none"};
  AddFiles(flags.apply.input, command);
  AddSelector(flags.apply.selector, command);
  AddDryRun(flags.apply.dry_run, command);
  command.flags.push_back({.name = "prune",
                           .help = "Delete what was applied with the same selector and is gone "
                                   "from the files (with -l)",
                           .on = &flags.apply.prune});
  command.flags.push_back({.name = "wait",
                           .help = "Until every agent runs it, at most so long (bare: 60s)",
                           .text = &flags.apply.wait,
                           .bare = "60s"});
  command.run = [&flags](Arguments) { return RunApply(flags.global, flags.apply); };
  return command;
}

Command DeleteCommand(Flags& flags) {
  Command command{.name = "delete",
                  .arguments = "KIND NAME… | KIND/NAME… | -f FILE",
                  .help = "Delete objects",
                  .arguments_max = kAny,
                  .argument = Command::Argument::kResource};
  AddFiles(flags.remove.input, command);
  AddSelector(flags.remove.selector, command);
  AddDryRun(flags.remove.dry_run, command);
  command.flags.push_back(
      {.name = "all", .help = "All of the kind in the namespace", .on = &flags.remove.all});
  command.flags.push_back({.name = "ignore-not-found",
                           .help = "What is not there is no error",
                           .on = &flags.remove.ignore_not_found});
  command.run = [&flags](Arguments names) {
    flags.remove.names = names;
    return RunDelete(flags.global, flags.remove);
  };
  return command;
}

Command GetCommand(Flags& flags) {
  Command command{.name = "get",
                  .arguments = "KIND [NAME…] | KIND/NAME… | KIND,KIND",
                  .help = "Show objects",
                  .arguments_min = 1,
                  .arguments_max = kAny,
                  .argument = Command::Argument::kResource};
  AddOutput(flags.get.output, {"table", "wide", "yaml", "json", "name", "jsonpath="}, command);
  AddAllNamespaces(flags.global, command);
  AddSelector(flags.get.selector, command);
  command.flags.push_back({.name = "watch",
                           .shorthand = 'w',
                           .help = "Go on with changes as they come",
                           .on = &flags.get.watch});
  command.flags.push_back({.name = "output-watch-events",
                           .help = "Say what each change was: ADDED, MODIFIED, DELETED",
                           .on = &flags.get.output_watch_events});
  command.flags.push_back({.name = "no-headers",
                           .help = "Without the first line of a table",
                           .on = &flags.get.no_headers});
  command.flags.push_back({.name = "ignore-not-found",
                           .help = "What is not there is no error",
                           .on = &flags.get.ignore_not_found});
  command.run = [&flags](Arguments names) {
    flags.get.names = names;
    return RunGet(flags.global, flags.get);
  };
  return command;
}

Command DescribeCommand(Flags& flags) {
  Command command{.name = "describe",
                  .arguments = "KIND [NAME…] | KIND/NAME…",
                  .help = "Show objects in full, conditions included",
                  .arguments_min = 1,
                  .arguments_max = kAny,
                  .argument = Command::Argument::kResource};
  AddAllNamespaces(flags.global, command);
  AddSelector(flags.describe.selector, command);
  command.run = [&flags](Arguments names) {
    flags.describe.names = names;
    return RunDescribe(flags.global, flags.describe);
  };
  return command;
}

Command ValidateCommand(Flags& flags) {
  Command command{.name = "validate",
                  .arguments = "-f FILE",
                  .help = "Check manifests without a control plane"};
  AddFiles(flags.validate, command);
  command.run = [&flags](Arguments) { return RunValidate(flags.global, flags.validate); };
  return command;
}

Command DiffCommand(Flags& flags) {
  Command command{.name = "diff",
                  .arguments = "-f FILE",
                  .help = "What an apply would change; exit code 1 where it is something"};
  AddFiles(flags.diff, command);
  command.run = [&flags](Arguments) { return RunDiff(flags.global, flags.diff); };
  return command;
}

Command HistoryCommand(Flags& flags) {
  Command command{.name = "history", .help = "What was changed, when and by whom"};
  AddOutput(flags.history.output, {"table", "yaml", "json"}, command);
  command.flags.push_back(
      {.name = "limit", .help = "So many, 20 else", .text = &flags.history.limit});
  command.flags.push_back({.name = "statuses",
                           .help = "Also what the control plane wrote itself",
                           .on = &flags.history.statuses});
  command.run = [&flags](Arguments) { return RunHistory(flags.global, flags.history); };
  return command;
}

Command RollbackCommand(Flags& flags) {
  Command command{.name = "rollback", .help = "Make all objects what they were, as a new revision"};
  command.flags.push_back(
      {.name = "to", .help = "The revision to go back to", .text = &flags.rollback_to});
  AddServerDryRun(flags.rollback_dry_run, command);
  command.run = [&flags](Arguments) {
    return RunRollback(flags.global, flags.rollback_to, flags.rollback_dry_run);
  };
  return command;
}

Command ExportCommand(Flags& flags) {
  Command command{.name = "export", .help = "Everything as manifests that an apply takes again"};
  command.flags.push_back({.name = "output",
                           .shorthand = 'o',
                           .help = "Directory for a file a kind, - for standard output",
                           .text = &flags.export_to.output,
                           .value = Flag::Value::kFile});
  command.flags.push_back({.name = "with-secrets",
                           .help = "Secrets, too, in the clear",
                           .on = &flags.export_to.with_secrets});
  command.run = [&flags](Arguments) { return RunExport(flags.global, flags.export_to); };
  return command;
}

Command BackupCommand(Flags& flags) {
  Command command{.name = "backup", .help = "Write all objects to a file, Secrets included"};
  command.flags.push_back({.name = "output",
                           .shorthand = 'o',
                           .help = "The file, - for standard output",
                           .text = &flags.backup_to,
                           .value = Flag::Value::kFile});
  command.run = [&flags](Arguments) { return RunBackup(flags.global, flags.backup_to); };
  return command;
}

Command RestoreCommand(Flags& flags) {
  Command command{.name = "restore", .help = "Make all objects what they are in a backup"};
  command.flags.push_back({.name = "filename",
                           .shorthand = 'f',
                           .help = "A file that apkctl backup wrote",
                           .text = &flags.restore.file,
                           .value = Flag::Value::kFile});
  AddServerDryRun(flags.restore.dry_run, command);
  command.flags.push_back({.name = "force",
                           .help = "Replace what others than the control plane made",
                           .on = &flags.restore.force});
  command.run = [&flags](Arguments) { return RunRestore(flags.global, flags.restore); };
  return command;
}

Command AgentsCommand(Flags& flags) {
  Command command{.name = "agents", .help = "Which agent runs which snapshot"};
  AddOutput(flags.agents_output, {"table", "yaml", "json"}, command);
  command.run = [&flags](Arguments) { return RunAgents(flags.global, flags.agents_output); };
  return command;
}

std::vector<Command> JoinTokenCommands(Flags& flags) {
  Command create{.name = "agents token create",
                 .help = "Print a token that lets an agent join and get its certificate"};
  create.flags = {
      {.name = "ttl", .help = "How long it can be used, 15m else", .text = &flags.join_token.ttl},
      {.name = "uses", .help = "How many agents may join, 1 else", .text = &flags.join_token.uses},
      {.name = "agent",
       .help = "For the agent with this id alone, also where one has joined by it already",
       .text = &flags.join_token.agent},
      {.name = "label",
       .help = "key=value, of the agents that join: Gateways select agents by their labels",
       .list = &flags.join_token.labels}};
  create.run = [&flags](Arguments) { return RunCreateJoinToken(flags.global, flags.join_token); };
  Command list{.name = "agents token list", .help = "Which tokens there are, without the secrets"};
  AddOutput(flags.join_token.output, {"table", "yaml", "json"}, list);
  list.run = [&flags](Arguments) {
    return RunListJoinTokens(flags.global, flags.join_token.output);
  };
  Command remove{.name = "agents token delete",
                 .arguments = "ID",
                 .help = "Make a token worthless",
                 .arguments_min = 1,
                 .arguments_max = 1};
  remove.run = [&flags](Arguments ids) { return RunDeleteJoinToken(flags.global, ids[0]); };
  return {create, list, remove};
}

// Of agents or of users.
std::vector<Command> RevokeCommands(Flags& flags, const std::string& whose,
                                    v1::Subject::Role role) {
  Command revoke{.name = whose + " revoke",
                 .arguments = "NAME",
                 .help = "Shut out whoever has a certificate for the name, at once",
                 .flags = {{.name = "reason",
                            .help = "What they and others are told",
                            .text = &flags.revoke_reason}},
                 .arguments_min = 1,
                 .arguments_max = 1};
  revoke.run = [&flags, role](Arguments names) {
    return RunRevoke(flags.global, role, names[0], flags.revoke_reason);
  };
  Command unrevoke{.name = whose + " unrevoke",
                   .arguments = "NAME",
                   .help = "Let them in again",
                   .arguments_min = 1,
                   .arguments_max = 1};
  unrevoke.run = [&flags, role](Arguments names) {
    return RunUnrevoke(flags.global, role, names[0]);
  };
  return {revoke, unrevoke};
}

std::vector<Command> IdentityCommands(Flags& flags) {
  std::vector<Command> commands = JoinTokenCommands(flags);
  for (Command& command : RevokeCommands(flags, "agents", v1::Subject::AGENT)) {
    commands.push_back(std::move(command));
  }
  for (Command& command : RevokeCommands(flags, "users", v1::Subject::USER)) {
    commands.push_back(std::move(command));
  }
  Command label{.name = "agents label",
                .arguments = "NAME KEY=VALUE|KEY-…",
                .help = "Change the labels of an agent that has joined by a token",
                .arguments_min = 2,
                .arguments_max = kAny};
  label.run = [&flags](Arguments words) {
    return RunLabelAgent(flags.global, words[0], {words.begin() + 1, words.end()});
  };
  commands.push_back(std::move(label));
  Command list{.name = "revocations", .help = "Who is shut out, since when and why"};
  AddOutput(flags.revocations_output, {"table", "yaml", "json"}, list);
  list.run = [&flags](Arguments) { return RunRevocations(flags.global, flags.revocations_output); };
  commands.push_back(std::move(list));
  return commands;
}

std::vector<Command> AuthorityCommands(Flags& flags) {
  using Request = v1::RotateAuthorityRequest;
  Command show{.name = "authority show", .help = "Who signs certificates, and who else is trusted"};
  AddOutput(flags.authority_output, {"table", "yaml", "json"}, show);
  show.run = [&flags](Arguments) { return RunShowAuthority(flags.global, flags.authority_output); };
  Command add{.name = "authority add",
              .help = "Make a new certificate authority, which is trusted from now on"};
  add.run = [&flags](Arguments) { return RunRotateAuthority(flags.global, Request::ADD, false); };
  Command use{.name = "authority use",
              .help = "Sign certificates by the new authority; the previous one stays trusted"};
  use.run = [&flags](Arguments) { return RunRotateAuthority(flags.global, Request::USE, false); };
  Command retire{.name = "authority retire", .help = "Trust the previous authority no longer"};
  retire.flags.push_back({.name = "force",
                          .help = "Also where agents have certificates of it still",
                          .on = &flags.force_retirement});
  retire.run = [&flags](Arguments) {
    return RunRotateAuthority(flags.global, Request::RETIRE, flags.force_retirement);
  };
  return {show, add, use, retire};
}

Command SteerCommand(Flags& flags, const std::string& name, const std::string& help,
                     v1::SteerRolloutRequest::Action action) {
  return {.name = "rollout " + name, .help = help, .run = [&flags, action](Arguments) {
            return RunSteerRollout(flags.global, action);
          }};
}

std::vector<Command> RolloutPolicyCommands(Flags& flags) {
  Command show{.name = "rollout policy show", .help = "What rollouts go by"};
  AddOutput(flags.policy_output, {"yaml", "json"}, show);
  show.run = [&flags](Arguments) {
    return RunShowRolloutPolicy(flags.global, flags.policy_output);
  };
  Command set{.name = "rollout policy set",
              .arguments = "-f FILE",
              .help = "Have changes reach agents in stages"};
  set.flags.push_back({.name = "filename",
                       .shorthand = 'f',
                       .help = "File with the policy, - for standard input",
                       .list = &flags.policy_files,
                       .value = Flag::Value::kFile});
  set.run = [&flags](Arguments) { return RunSetRolloutPolicy(flags.global, flags.policy_files); };
  Command remove{.name = "rollout policy remove", .help = "Have changes reach every agent at once"};
  remove.flags.push_back({.name = "force",
                          .help = "Also what a rollout keeps from agents now",
                          .on = &flags.force_policy});
  remove.run = [&flags](Arguments) {
    return RunRemoveRolloutPolicy(flags.global, flags.force_policy);
  };
  return {show, set, remove};
}

std::vector<Command> RolloutCommands(Flags& flags) {
  Command status{.name = "rollout status",
                 .help = "Which agents have the newest change, and what is next"};
  AddOutput(flags.rollout_output, {"table", "yaml", "json"}, status);
  status.flags.push_back({.name = "watch",
                          .shorthand = 'w',
                          .help = "Go on until it has ended; exit code 1 where it was stopped",
                          .on = &flags.rollout_watch});
  status.run = [&flags](Arguments) {
    return RunRolloutStatus(flags.global, flags.rollout_output, flags.rollout_watch);
  };
  Command history{.name = "rollout history", .help = "Rollouts that have ended, and how"};
  AddOutput(flags.rollout_output, {"table", "yaml", "json"}, history);
  history.run = [&flags](Arguments) {
    return RunRolloutHistory(flags.global, flags.rollout_output);
  };
  std::vector<Command> commands = {
      status,
      history,
      SteerCommand(flags, "promote", "On to the next stage, without waiting for this one",
                   v1::SteerRolloutRequest::PROMOTE),
      SteerCommand(flags, "pause", "No further stage until it is resumed",
                   v1::SteerRolloutRequest::PAUSE),
      SteerCommand(flags, "resume", "Go on", v1::SteerRolloutRequest::RESUME),
      SteerCommand(flags, "abort", "Every agent back to what it ran before",
                   v1::SteerRolloutRequest::ABORT),
      SteerCommand(flags, "retry", "The newest revision again, after it was stopped",
                   v1::SteerRolloutRequest::RETRY)};
  for (Command& command : RolloutPolicyCommands(flags)) commands.push_back(std::move(command));
  return commands;
}

Command TokenCommand(Flags& flags) {
  Command command{.name = "token", .help = "Print an access token of the development issuer"};
  command.flags.push_back(
      {.name = "scope", .help = "Scopes, separated by spaces", .text = &flags.scope});
  command.run = [&flags](Arguments) { return RunToken(flags.global, flags.scope); };
  return command;
}

Command VersionCommand(Flags& flags) {
  Command command{.name = "version", .help = "Versions of apkctl and the control plane"};
  command.flags.push_back({.name = "client", .help = "Only of apkctl", .on = &flags.client_only});
  AddOutput(flags.version_output, {"text", "yaml", "json"}, command);
  command.run = [&flags](Arguments) {
    return RunVersion(flags.global, flags.client_only, flags.version_output);
  };
  return command;
}

Command KubeconfigCommand(Flags& flags) {
  Command command{.name = "kubeconfig",
                  .help = "Print what makes kubectl talk to this control plane"};
  command.flags.push_back({.name = "flatten",
                           .help = "With the certificates and the key instead of their paths",
                           .on = &flags.flatten});
  command.run = [&flags](Arguments) { return RunKubeconfig(flags.global, flags.flatten); };
  return command;
}

std::vector<Command> ConfigCommands(Flags& flags) {
  return {{.name = "config get-contexts",
           .help = "List the contexts of the configuration",
           .run = [&flags](Arguments) { return RunConfig(flags.global, "get-contexts", ""); }},
          {.name = "config current-context",
           .help = "Name the one in use",
           .run = [&flags](Arguments) { return RunConfig(flags.global, "current-context", ""); }},
          {.name = "config use-context",
           .arguments = "NAME",
           .help = "Use another from now on",
           .arguments_min = 1,
           .arguments_max = 1,
           .argument = Command::Argument::kContext,
           .run = [&flags](Arguments names) {
             return RunConfig(flags.global, "use-context", names[0]);
           }}};
}

Program MakeProgram(Flags& flags) {
  Program program{.name = "apkctl", .help = "Applies and shows the gateway's resources."};
  program.flags = ProgramFlags(flags.global);
  program.commands = {ApplyCommand(flags),    DeleteCommand(flags),   GetCommand(flags),
                      DescribeCommand(flags), ValidateCommand(flags), DiffCommand(flags),
                      HistoryCommand(flags),  RollbackCommand(flags), ExportCommand(flags),
                      BackupCommand(flags),   RestoreCommand(flags),  AgentsCommand(flags)};
  for (Command& command : IdentityCommands(flags)) program.commands.push_back(std::move(command));
  for (Command& command : AuthorityCommands(flags)) program.commands.push_back(std::move(command));
  for (Command& command : RolloutCommands(flags)) program.commands.push_back(std::move(command));
  for (Command& command :
       std::vector<Command>{TokenCommand(flags), VersionCommand(flags), KubeconfigCommand(flags)}) {
    program.commands.push_back(std::move(command));
  }
  for (Command& command : ConfigCommands(flags)) program.commands.push_back(std::move(command));
  program.commands.push_back({.name = "completion",
                              .arguments = "bash|zsh|fish",
                              .help = "Print a completion script",
                              .arguments_min = 1,
                              .arguments_max = 1,
                              .argument = Command::Argument::kShell,
                              .run = [](Arguments names) { return RunCompletion(names[0]); }});
  return program;
}

int Run(const std::vector<std::string>& words) {
  Flags flags;
  const Program program = MakeProgram(flags);
  if (!words.empty() && words[0] == "__complete") {  // What completion scripts call.
    return RunComplete(program, {words.begin() + 1, words.end()});
  }
  const Invocation invocation = ParseCommandLine(program, words);
  if (invocation.command != nullptr) return invocation.command->run(invocation.arguments);
  if (!invocation.error.empty()) {
    const int code = PrintError(invocation.error);
    return std::find(words.begin(), words.end(), "diff") == words.end() ? code : kDiffFailed;
  }
  std::cout << invocation.help;
  return 0;
}

// A reader that ends early ("| head") is no error to speak of; a full disk is.
int Finish(int exit_code) {
  std::cout.flush();
  if (std::cout || exit_code != 0) return exit_code;
  struct stat output {};
  const bool pipe = fstat(STDOUT_FILENO, &output) == 0 && S_ISFIFO(output.st_mode);
  return pipe ? 1 : PrintError("standard output can't be written");
}

}  // namespace
}  // namespace apk

int main(int argc, char** argv) {
  return apk::Finish(apk::Run(std::vector<std::string>(argv + 1, argv + argc)));
}

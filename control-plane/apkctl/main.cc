// apkctl: the command table.
#include <CLI/CLI.hpp>

#include "control-plane/apkctl/commands.h"

namespace apk {
namespace {

void AddGlobalFlags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("--config", flags.config,
                 "Configuration file (else $APKCTL_CONFIG, ~/.config/apkctl/config.yaml)");
  app.add_option("--context", flags.context, "Context of the configuration to use");
  app.add_option("--server", flags.server, "Control plane, host:port, instead of the context's");
}

void AddNamespace(CLI::App* command, GlobalFlags& flags, bool all) {
  command->add_option("-n,--namespace", flags.namespace_name, "Namespace, else the context's");
  if (all) command->add_flag("-A,--all-namespaces", flags.all_namespaces, "All namespaces");
}

void AddFiles(CLI::App* command, FileFlags& flags) {
  command->add_option("-f,--filename", flags.files, "Files, directories, or - for standard input");
  command->add_flag("-R,--recursive", flags.recursive, "Directories with all below them");
}

int Run(int argc, char** argv) {
  CLI::App app("Applies and shows the gateway's resources", "apkctl");
  app.require_subcommand(1);
  app.fallthrough();
  GlobalFlags global;
  AddGlobalFlags(app, global);
  int exit_code = 0;

  ApplyFlags apply;
  CLI::App* command = app.add_subcommand("apply", "Create or change objects, all or none");
  AddFiles(command, apply.input);
  AddNamespace(command, global, false);
  command->add_option("--dry-run", apply.dry_run, "none, client or server")
      ->check(CLI::IsMember({"none", "client", "server"}));
  command->callback([&] { exit_code = RunApply(global, apply); });

  DeleteFlags remove;
  command = app.add_subcommand("delete", "Delete objects: KIND NAME…, KIND/NAME…, or -f");
  command->add_option("names", remove.names, "KIND NAME… or KIND/NAME…");
  AddFiles(command, remove.input);
  AddNamespace(command, global, false);
  command->add_flag("--ignore-not-found", remove.ignore_not_found, "What is not there is no error");
  command->callback([&] { exit_code = RunDelete(global, remove); });

  GetFlags get;
  command = app.add_subcommand("get", "Show objects: KIND [NAME…], KIND/NAME…, KIND,KIND");
  command->add_option("names", get.names, "KIND [NAME…]")->required();
  AddNamespace(command, global, true);
  command->add_option("-o,--output", get.output, "table, wide, yaml, json or name")
      ->check(CLI::IsMember({"table", "wide", "yaml", "json", "name"}));
  command->add_option("-l,--selector", get.selector, "Label selector");
  command->add_flag("-w,--watch", get.watch, "Go on with changes as they come");
  command->add_flag("--no-headers", get.no_headers, "Without the first line of a table");
  command->callback([&] { exit_code = RunGet(global, get); });

  std::vector<std::string> describe;
  command = app.add_subcommand("describe", "Show objects in full, conditions included");
  command->add_option("names", describe, "KIND [NAME…]")->required();
  AddNamespace(command, global, true);
  command->callback([&] { exit_code = RunDescribe(global, describe); });

  FileFlags validate;
  command = app.add_subcommand("validate", "Check manifests without a control plane");
  AddFiles(command, validate);
  AddNamespace(command, global, false);
  command->callback([&] { exit_code = RunValidate(global, validate); });

  std::string agents_output = "table";
  command = app.add_subcommand("agents", "Which agent runs which snapshot");
  command->add_option("-o,--output", agents_output, "table, yaml or json")
      ->check(CLI::IsMember({"table", "yaml", "json"}));
  command->callback([&] { exit_code = RunAgents(global, agents_output); });

  std::string scope;
  command = app.add_subcommand("token", "Print an access token of the development issuer");
  command->add_option("--scope", scope, "Scopes, separated by spaces");
  command->callback([&] { exit_code = RunToken(global, scope); });

  bool client_only = false;
  command = app.add_subcommand("version", "Versions of apkctl and the control plane");
  command->add_flag("--client", client_only, "Only of apkctl");
  command->callback([&] { exit_code = RunVersion(global, client_only); });

  CLI::App* const config = app.add_subcommand("config", "Contexts of the configuration");
  config->require_subcommand(1);
  std::string context_name;
  config->add_subcommand("get-contexts", "List them")->callback([&] {
    exit_code = RunConfig(global, "get-contexts", "");
  });
  config->add_subcommand("current-context", "The one in use")->callback([&] {
    exit_code = RunConfig(global, "current-context", "");
  });
  command = config->add_subcommand("use-context", "Use another from now on");
  command->add_option("name", context_name, "Name of the context")->required();
  command->callback([&] { exit_code = RunConfig(global, "use-context", context_name); });

  std::string shell;
  command = app.add_subcommand("completion", "Print a completion script");
  command->add_option("shell", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&] { exit_code = RunCompletion(shell); });

  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace apk

int main(int argc, char** argv) { return apk::Run(argc, argv); }

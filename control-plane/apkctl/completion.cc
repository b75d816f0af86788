// Completion scripts for bash, zsh and fish, made from the kinds that exist.
#include <iostream>

#include "common/strings.h"
#include "control-plane/apkctl/commands.h"

namespace apk {
namespace {

constexpr char kCommands[] =
    "apply delete get describe validate agents token version config completion";
constexpr char kFlags[] =
    "--config --context --server --namespace --all-namespaces --output --watch --selector "
    "--filename "
    "--recursive --dry-run --ignore-not-found --no-headers --scope --client --help";

std::string KindWords() {
  std::vector<std::string> words;
  for (const Kind& kind : AllKinds()) {
    words.push_back(kind.plural);
    for (const std::string& name : kind.short_names) words.push_back(name);
  }
  return Join(words, " ");
}

std::string BashScript() {
  return Concat(R"sh(# bash completion for apkctl:  source <(apkctl completion bash)
_apkctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  case $previous in
    -f|--filename|--config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    -o|--output) COMPREPLY=($(compgen -W "table wide yaml json name" -- "$current")); return ;;
    --dry-run) COMPREPLY=($(compgen -W "none client server" -- "$current")); return ;;
    get|describe|delete) COMPREPLY=($(compgen -W ")sh",
                KindWords(), R"sh(" -- "$current")); return ;;
    config) COMPREPLY=($(compgen -W "get-contexts use-context current-context" -- "$current")); return ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$current")); return ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W ")sh",
                kFlags, R"sh(" -- "$current"))
  elif [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W ")sh",
                kCommands, R"sh(" -- "$current"))
  elif [[ $COMP_CWORD -eq 3 && ${COMP_WORDS[1]} =~ ^(get|describe|delete)$ ]]; then
    COMPREPLY=($(compgen -W "$(apkctl get "$previous" -o name 2>/dev/null | sed 's|.*/||')" -- "$current"))
  fi
}
complete -F _apkctl apkctl
)sh");
}

std::string ZshScript() {
  return Concat(R"sh(#compdef apkctl
# zsh completion for apkctl:  source <(apkctl completion zsh)
_apkctl() {
  case $words[CURRENT-1] in
    -f|--filename|--config) _files; return ;;
    -o|--output) compadd table wide yaml json name; return ;;
    --dry-run) compadd none client server; return ;;
    get|describe|delete) compadd )sh",
                KindWords(), R"sh(; return ;;
    config) compadd get-contexts use-context current-context; return ;;
    completion) compadd bash zsh fish; return ;;
  esac
  if [[ $words[CURRENT] == -* ]]; then
    compadd -- )sh",
                kFlags, R"sh(
  elif (( CURRENT == 2 )); then
    compadd )sh",
                kCommands, R"sh(
  elif (( CURRENT == 4 )); then
    compadd $(apkctl get $words[3] -o name 2>/dev/null | sed 's|.*/||')
  fi
}
compdef _apkctl apkctl
)sh");
}

std::string FishScript() {
  return Concat(R"sh(# fish completion for apkctl:  apkctl completion fish | source
complete -c apkctl -f
complete -c apkctl -n __fish_use_subcommand -a ")sh",
                kCommands, R"sh("
complete -c apkctl -n "__fish_seen_subcommand_from get describe delete" -a ")sh",
                KindWords(), R"sh("
complete -c apkctl -n "__fish_seen_subcommand_from config" -a "get-contexts use-context current-context"
complete -c apkctl -n "__fish_seen_subcommand_from completion" -a "bash zsh fish"
complete -c apkctl -s f -l filename -r -F
complete -c apkctl -s n -l namespace -x
complete -c apkctl -s A -l all-namespaces
complete -c apkctl -s o -l output -x -a "table wide yaml json name"
complete -c apkctl -s w -l watch
complete -c apkctl -l dry-run -x -a "none client server"
complete -c apkctl -l config -r -F
complete -c apkctl -l context -x
complete -c apkctl -l server -x
)sh");
}

}  // namespace

int RunCompletion(const std::string& shell) {
  if (shell == "bash") {
    std::cout << BashScript();
  } else if (shell == "zsh") {
    std::cout << ZshScript();
  } else {
    std::cout << FishScript();
  }
  return 0;
}

}  // namespace apk

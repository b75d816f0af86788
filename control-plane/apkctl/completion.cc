// Completion: three small scripts, and one place that knows what may stand where: they call
// "apkctl __complete WORDS…" with what is typed so far, the word to complete last.
#include <iostream>

#include "common/strings.h"
#include "control-plane/apkctl/command_line.h"
#include "control-plane/apkctl/commands.h"

namespace apk {
namespace {

// A candidate that stands for the names of files.
constexpr char kFiles[] = ":files";

constexpr char kBashScript[] = R"sh(# bash completion for apkctl:  source <(apkctl completion bash)
_apkctl() {
  local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=($(apkctl __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  if [ "${COMPREPLY[0]}" = ":files" ]; then
    [ "$current" = "=" ] && current=
    compopt -o filenames
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _apkctl apkctl
)sh";

constexpr char kZshScript[] = R"sh(#compdef apkctl
# zsh completion for apkctl:  source <(apkctl completion zsh)
_apkctl() {
  local -a candidates
  candidates=(${(f)"$(apkctl __complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if [[ ${candidates[1]} == ":files" ]]; then
    _files
  else
    compadd -- $candidates
  fi
}
compdef _apkctl apkctl
)sh";

constexpr char kFishScript[] = R"sh(# fish completion for apkctl:  apkctl completion fish | source
function __apkctl_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l candidates (apkctl __complete $words[2..-1] 2>/dev/null)
    if test "$candidates[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $candidates
    end
end
complete -c apkctl -f -a '(__apkctl_complete)'
)sh";

using Words = std::vector<std::string>;

Words KindWords() {
  Words words;
  for (const Kind& kind : AllKinds()) {
    words.push_back(kind.plural);
    for (const std::string& name : kind.short_names) words.push_back(name);
  }
  return words;
}

// What the words so far say of the connection: where objects' names come from.
void ReadGlobalFlags(const Program& program, const Words& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const bool is_long = words[i].starts_with("--");
    if (!is_long && !(words[i].starts_with("-") && words[i].size() > 1)) continue;
    const Flag* const flag = is_long ? FindFlag(program, nullptr, words[i].substr(2, equals - 2))
                                     : FindFlag(program, nullptr, words[i][1]);
    if (flag == nullptr || flag->text == nullptr) continue;
    if (equals != std::string::npos) {
      *flag->text = words[i].substr(equals + 1);
    } else if (!is_long && words[i].size() > 2) {
      *flag->text = words[i].substr(2);
    } else if (i + 1 < words.size()) {
      *flag->text = words[i + 1];
    }
  }
}

const Flag* NamedFlag(const Program& program, const std::string& name) {
  return FindFlag(program, nullptr, name);
}

GlobalFlags GlobalsOf(const Program& program) {
  GlobalFlags global;
  global.config = *NamedFlag(program, "config")->text;
  global.context = *NamedFlag(program, "context")->text;
  global.server = *NamedFlag(program, "server")->text;
  global.namespace_name = *NamedFlag(program, "namespace")->text;
  return global;
}

Words NamesOfKind(const Program& program, const std::string& word) {
  const Kind* const kind = FindKindByWord(word);
  if (kind == nullptr) return {};
  return NamesOfObjects(GlobalsOf(program), *kind);
}

Words Contexts(const Program& program) {
  const absl::StatusOr<ClientConfig> config =
      ReadClientConfig(FindClientConfig(GlobalsOf(program).config));
  Words names;
  if (!config.ok()) return names;
  for (const ClientContextConfig& context : config->contexts) names.push_back(context.name);
  return names;
}

Words ValuesOf(const Program& program, const Flag& flag) {
  if (!flag.choices.empty()) return flag.choices;
  switch (flag.value) {
    case Flag::Value::kFile:
      return {kFiles};
    case Flag::Value::kNamespace:
      return NamesOfKind(program, "namespaces");
    case Flag::Value::kContext:
      return Contexts(program);
    case Flag::Value::kAny:
      break;
  }
  return {};
}

Words FlagsOf(const Program& program, const Command* command) {
  Words words = {"--help"};
  const auto add = [&words](const std::vector<Flag>& flags) {
    for (const Flag& flag : flags) words.push_back(Concat("--", flag.name));
  };
  if (command != nullptr) add(command->flags);
  add(program.flags);
  return words;
}

Words ArgumentsOf(const Program& program, const PartialCommand& partial,
                  const std::string& current) {
  const Words& before = partial.arguments;
  if (partial.command == nullptr) return NextWords(program, before);
  switch (partial.command->argument) {
    case Command::Argument::kResource: {
      const size_t slash = current.find('/');
      if (slash != std::string::npos) {
        const std::string kind = current.substr(0, slash);
        Words names = NamesOfKind(program, kind);
        for (std::string& name : names) name = Concat(kind, "/", name);
        return names;
      }
      return before.empty() ? KindWords() : NamesOfKind(program, before[0]);
    }
    case Command::Argument::kShell:
      return {"bash", "zsh", "fish"};
    case Command::Argument::kContext:
      return Contexts(program);
    case Command::Argument::kNone:
      break;
  }
  // "agents" is a command and begins the names of others.
  Words words;
  for (const std::string_view part : Split(partial.command->name, ' ')) words.emplace_back(part);
  words.insert(words.end(), before.begin(), before.end());
  return NextWords(program, words);
}

// bash takes "--output=json" for three words.
Words JoinEqualSigns(const Words& words) {
  Words joined;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool value = !joined.empty() && joined.back().starts_with("--") &&
                       (words[i] == "=" || joined.back().ends_with("="));
    if (value) {
      joined.back() += words[i];
    } else {
      joined.push_back(words[i]);
    }
  }
  return joined;
}

}  // namespace

int RunComplete(const Program& program, const std::vector<std::string>& typed) {
  Words words = JoinEqualSigns(typed);
  const bool in_equals = words.size() < typed.size();  // The shell completes what follows "=".
  std::string current = words.empty() ? "" : words.back();
  if (!words.empty()) words.pop_back();
  ReadGlobalFlags(program, words);
  const PartialCommand partial = FindCommand(program, words);
  Words candidates;
  std::string prefix;
  const size_t equals = current.find('=');
  if (partial.open_flag != nullptr) {
    candidates = ValuesOf(program, *partial.open_flag);
  } else if (current.starts_with("--") && equals != std::string::npos) {
    const Flag* const flag =
        FindFlag(program, partial.command, std::string_view(current).substr(2, equals - 2));
    if (flag != nullptr) candidates = ValuesOf(program, *flag);
    if (!in_equals) prefix = current.substr(0, equals + 1);
    current = current.substr(equals + 1);
  } else if (current.starts_with('-')) {
    candidates = FlagsOf(program, partial.command);
  } else {
    candidates = ArgumentsOf(program, partial, current);
  }
  for (const std::string& candidate : candidates) {
    if (candidate == kFiles || candidate.starts_with(current))
      std::cout << (candidate == kFiles ? "" : prefix) << candidate << "\n";
  }
  return 0;
}

int RunCompletion(const std::string& shell) {
  if (shell == "bash") {
    std::cout << kBashScript;
  } else if (shell == "zsh") {
    std::cout << kZshScript;
  } else if (shell == "fish") {
    std::cout << kFishScript;
  } else {
    return PrintError(Concat("there is no completion for \"", shell, "\": bash, zsh or fish"));
  }
  return 0;
}

}  // namespace apk

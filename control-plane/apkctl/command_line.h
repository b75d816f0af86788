// Flags and arguments as kubectl takes them: "-o=json", "-ojson", "--output json", flags before and
// after the command and between arguments, "--" before what only looks like a flag. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace apk {

// Exactly one of `text`, `list`, `on` is set: where the value goes.
struct Flag {
  std::string name = {};  // Without dashes.
  char shorthand = '\0';
  std::string help = {};
  std::string* text = nullptr;               // The last one counts.
  std::vector<std::string>* list = nullptr;  // All of them, each split at commas.
  bool* on = nullptr;
  // The values that there are, where that is not "any"; behind a "=" at the end anything goes.
  std::vector<std::string> choices = {};
  std::string bare = {};  // The value of a `text` that is given none: "--dry-run".
  enum class Value { kAny, kFile, kNamespace, kContext };
  Value value = Value::kAny;  // For completion.
};

struct Command {
  std::string name = {};       // "get", or of more words: "config use-context".
  std::string arguments = {};  // For the usage line: "KIND [NAME…]".
  std::string help = {};       // One line.
  std::vector<Flag> flags = {};
  size_t arguments_min = 0;
  size_t arguments_max = 0;
  enum class Argument { kNone, kResource, kShell, kContext };
  Argument argument = Argument::kNone;                           // For completion.
  std::function<int(const std::vector<std::string>&)> run = {};  // Arguments in, exit code out.
};

struct Program {
  std::string name = {};
  std::string help = {};
  std::vector<Command> commands = {};
  std::vector<Flag> flags = {};  // Of every command.
};

struct Invocation {
  const Command* command = nullptr;  // nullptr: `help` or `error` says what to print.
  std::vector<std::string> arguments;
  std::string help;
  std::string error;  // Without "error: ".
};

// Sets the flags' values. `words` are what follows the program's name.
Invocation ParseCommandLine(const Program& program, const std::vector<std::string>& words);

// The command that the words name, flags and their values left aside, and how many arguments follow
// it; for completion. nullptr where they name none yet.
struct PartialCommand {
  const Command* command = nullptr;
  std::vector<std::string> arguments;
  const Flag* open_flag = nullptr;  // The last word is a flag that waits for its value.
};
PartialCommand FindCommand(const Program& program, const std::vector<std::string>& words);

// What may follow these words in commands' names: after "agents" revoke, token, …
std::vector<std::string> NextWords(const Program& program, const std::vector<std::string>& words);

// "--output" of a command, one of the program's included; nullptr where there is none.
const Flag* FindFlag(const Program& program, const Command* command, std::string_view name);
const Flag* FindFlag(const Program& program, const Command* command, char shorthand);

std::string HelpOf(const Program& program);
std::string HelpOf(const Program& program, const Command& command);

}  // namespace apk

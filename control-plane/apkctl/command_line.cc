// The command is found first, then all words are read with its flags.
#include "control-plane/apkctl/command_line.h"

#include <algorithm>

#include "common/strings.h"
#include "control-plane/apkctl/manifest/suggest.h"

namespace apk {
namespace {

bool TakesValue(const Flag& flag) { return flag.on == nullptr && flag.bare.empty(); }

// "-o, --output"
std::string NamesOf(const Flag& flag) {
  return flag.shorthand == '\0' ? Concat("--", flag.name)
                                : Concat("-", std::string(1, flag.shorthand), ", --", flag.name);
}

// A word that is a flag, taken apart.
struct FlagWord {
  const Flag* flag = nullptr;
  bool has_value = false;
  std::string_view value;  // What stands behind "=", or directly behind a shorthand.
  std::string_view rest;   // Further shorthands: of "-Aw" the "w".
};

// `word` begins with "--" and has more.
FlagWord TakeLong(const Program& program, const Command* command, std::string_view word) {
  const size_t equals = word.find('=');
  FlagWord taken;
  taken.flag = FindFlag(
      program, command,
      word.substr(2, equals == std::string_view::npos ? std::string_view::npos : equals - 2));
  taken.has_value = equals != std::string_view::npos;
  if (taken.has_value) taken.value = word.substr(equals + 1);
  return taken;
}

// `letters` is what stands behind the dash.
FlagWord TakeShort(const Program& program, const Command* command, std::string_view letters) {
  FlagWord taken;
  taken.flag = FindFlag(program, command, letters[0]);
  std::string_view behind = letters.substr(1);
  if (taken.flag == nullptr || behind.empty()) return taken;
  if (behind[0] == '=') {
    taken.has_value = true;
    taken.value = behind.substr(1);
  } else if (TakesValue(*taken.flag)) {
    taken.has_value = true;
    taken.value = behind;
  } else {
    taken.rest = behind;
  }
  return taken;
}

// "" where it was taken, else what is wrong with it.
std::string SetFlag(const Flag& flag, const std::string& value) {
  const auto refuse = [&](const std::string& why) {
    return Concat("invalid argument \"", value, "\" for \"", NamesOf(flag), "\" flag: ", why);
  };
  if (flag.on != nullptr) {
    const std::string lower = ToLower(value);
    const bool yes = lower == "true" || lower == "t" || lower == "1";
    if (!yes && lower != "false" && lower != "f" && lower != "0")
      return refuse("use true or false");
    *flag.on = yes;
    return "";
  }
  const auto is_it = [&value](const std::string& choice) {
    return choice.ends_with('=') ? value.size() > choice.size() && value.starts_with(choice)
                                 : value == choice;
  };
  if (!flag.choices.empty() && std::none_of(flag.choices.begin(), flag.choices.end(), is_it)) {
    return refuse(Concat("use one of ", Join(flag.choices, ", ")));
  }
  if (flag.text != nullptr) {
    *flag.text = value;
  } else {
    for (const std::string_view part : Split(value, ',')) flag.list->emplace_back(part);
  }
  return "";
}

class Parser {
 public:
  Parser(const Program& program, const Command* command) : program_(program), command_(command) {}

  // False where something is wrong: error() says what.
  bool Read(const std::vector<std::string>& words) {
    for (size_t i = 0; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (word == "--") {
        arguments_.insert(arguments_.end(), words.begin() + static_cast<ptrdiff_t>(i) + 1,
                          words.end());
        return true;
      }
      if (word.size() < 2 || word[0] != '-') {
        arguments_.push_back(word);
      } else if (!ReadFlag(words, i)) {
        return false;
      }
      if (wants_help_) return true;
    }
    return true;
  }

  bool wants_help() const { return wants_help_; }
  const std::string& error() const { return error_; }
  std::vector<std::string>& arguments() { return arguments_; }

 private:
  // `i` moves on where the value is the next word.
  bool ReadFlag(const std::vector<std::string>& words, size_t& i) {
    const std::string& word = words[i];
    if (word.starts_with("--")) {
      if (word == "--help") return wants_help_ = true;
      const FlagWord taken = TakeLong(program_, command_, word);
      if (taken.flag == nullptr) return FailUnknown(word);
      return Set(taken, words, i, word);
    }
    std::string_view letters = std::string_view(word).substr(1);
    while (!letters.empty()) {
      const FlagWord taken = TakeShort(program_, command_, letters);
      if (taken.flag == nullptr) {
        if (letters[0] == 'h') return wants_help_ = true;
        error_ = Concat("unknown shorthand flag: '", letters.substr(0, 1), "' in ", word);
        return false;
      }
      if (!Set(taken, words, i, Concat("'", letters.substr(0, 1), "' in ", word))) return false;
      letters = taken.rest;
    }
    return true;
  }

  bool Set(const FlagWord& taken, const std::vector<std::string>& words, size_t& i,
           const std::string& shown) {
    std::string value(taken.value);
    if (!taken.has_value && TakesValue(*taken.flag)) {
      if (++i == words.size()) {
        error_ = Concat("flag needs an argument: ", shown);
        return false;
      }
      value = words[i];
    } else if (!taken.has_value) {
      value = taken.flag->on != nullptr ? "true" : taken.flag->bare;
    }
    error_ = SetFlag(*taken.flag, value);
    return error_.empty();
  }

  bool FailUnknown(const std::string& word) {
    const std::string name = word.substr(2, word.find('=') - 2);
    std::vector<std::string> names;
    for (const Flag& flag : program_.flags) names.push_back(flag.name);
    for (const Flag& flag : command_->flags) names.push_back(flag.name);
    const std::string nearest = Suggest(name, names);
    error_ = Concat("unknown flag: --", name,
                    nearest.empty() ? "" : Concat("; did you mean --", nearest, "?"));
    return false;
  }

  const Program& program_;
  const Command* command_;
  bool wants_help_ = false;
  std::string error_;
  std::vector<std::string> arguments_;
};

size_t WordsOf(const Command& command) { return Split(command.name, ' ').size(); }

// The command whose name the words begin with; of several the one with the longest name.
const Command* CommandOf(const Program& program, const std::vector<std::string>& words) {
  const Command* found = nullptr;
  for (const Command& command : program.commands) {
    const std::vector<std::string_view> name = Split(command.name, ' ');
    const bool begins =
        words.size() >= name.size() && std::equal(name.begin(), name.end(), words.begin());
    if (begins && (found == nullptr || name.size() > WordsOf(*found))) found = &command;
  }
  return found;
}

// Of words that a command's name begins with and that are not all of it: what they lack. "" where
// there is none.
std::string NeedsMore(const Program& program, const std::vector<std::string>& words) {
  for (size_t known = words.size(); known > 0; --known) {
    const std::vector<std::string> begin(words.begin(),
                                         words.begin() + static_cast<ptrdiff_t>(known));
    const std::vector<std::string> next = NextWords(program, begin);
    if (next.empty()) continue;
    return Concat("\"", Join(begin, " "), "\" needs one of ", Join(next, ", "),
                  known < words.size() ? Concat(", not \"", words[known], "\"") : "");
  }
  return "";
}

std::string UnknownCommand(const Program& program, const std::vector<std::string>& words) {
  const std::string needs = NeedsMore(program, words);
  if (!needs.empty()) return needs;
  std::vector<std::string> names;
  for (const Command& command : program.commands) names.push_back(command.name);
  const std::string nearest = Suggest(words[0], names);
  return Concat("unknown command \"", words[0], "\" for \"", program.name, "\"",
                nearest.empty() ? "" : Concat("\n\nDid you mean this?\n  ", nearest));
}

std::string CheckArguments(const Program& program, const Command& command,
                           const std::vector<std::string>& arguments) {
  if (arguments.size() > command.arguments_max) {
    std::vector<std::string> words;
    for (const std::string_view part : Split(command.name, ' ')) words.emplace_back(part);
    words.insert(words.end(), arguments.begin(), arguments.end());
    if (const std::string needs = NeedsMore(program, words); !needs.empty()) return needs;
  }
  if (arguments.size() < command.arguments_min)
    return Concat("an argument is missing: ", command.name, " ", command.arguments);
  if (arguments.size() > command.arguments_max)
    return Concat("unexpected argument \"", arguments[command.arguments_max], "\"");
  return "";
}

std::string FlagLines(const std::vector<Flag>& flags) {
  std::string lines;
  for (const Flag& flag : flags) {
    std::string names = flag.shorthand == '\0' ? Concat("    --", flag.name) : NamesOf(flag);
    if (flag.on == nullptr) names += flag.bare.empty() ? "=…" : "[=…]";
    std::string help = flag.help;
    if (!flag.choices.empty()) help += Concat(" (", Join(flag.choices, ", "), ")");
    constexpr size_t kHelpColumn = 30;
    // The ellipsis is one character of three bytes.
    const size_t width = names.size() - (flag.on == nullptr ? 2 : 0);
    names.append(width < kHelpColumn ? kHelpColumn - width : 2, ' ');
    lines += Concat("  ", names, help, "\n");
  }
  return lines;
}

}  // namespace

std::vector<std::string> NextWords(const Program& program, const std::vector<std::string>& words) {
  std::vector<std::string> next;
  for (const Command& command : program.commands) {
    const std::vector<std::string_view> name = Split(command.name, ' ');
    const bool longer =
        name.size() > words.size() && std::equal(words.begin(), words.end(), name.begin());
    if (longer && (next.empty() || next.back() != name[words.size()])) {
      next.emplace_back(name[words.size()]);
    }
  }
  return next;
}

const Flag* FindFlag(const Program& program, const Command* command, std::string_view name) {
  const auto in = [name](const std::vector<Flag>& flags) -> const Flag* {
    for (const Flag& flag : flags) {
      if (flag.name == name) return &flag;
    }
    return nullptr;
  };
  if (const Flag* const flag = in(program.flags); flag != nullptr) return flag;
  if (command != nullptr) return in(command->flags);
  for (const Command& any : program.commands) {
    if (const Flag* const flag = in(any.flags); flag != nullptr) return flag;
  }
  return nullptr;
}

const Flag* FindFlag(const Program& program, const Command* command, char shorthand) {
  const auto in = [shorthand](const std::vector<Flag>& flags) -> const Flag* {
    for (const Flag& flag : flags) {
      if (flag.shorthand == shorthand && shorthand != '\0') return &flag;
    }
    return nullptr;
  };
  if (const Flag* const flag = in(program.flags); flag != nullptr) return flag;
  if (command != nullptr) return in(command->flags);
  for (const Command& any : program.commands) {
    if (const Flag* const flag = in(any.flags); flag != nullptr) return flag;
  }
  return nullptr;
}

PartialCommand FindCommand(const Program& program, const std::vector<std::string>& words) {
  PartialCommand partial;
  std::vector<std::string>& plain = partial.arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      plain.insert(plain.end(), words.begin() + static_cast<ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      plain.push_back(word);
      continue;
    }
    FlagWord taken;
    if (word.starts_with("--")) {
      taken = TakeLong(program, nullptr, word);
    } else {
      taken.rest = std::string_view(word).substr(1);
      while (!taken.rest.empty()) taken = TakeShort(program, nullptr, taken.rest);
    }
    const bool value_follows = taken.flag != nullptr && !taken.has_value && TakesValue(*taken.flag);
    if (value_follows && ++i == words.size()) partial.open_flag = taken.flag;
  }
  partial.command = CommandOf(program, plain);
  if (partial.command != nullptr)
    plain.erase(plain.begin(), plain.begin() + static_cast<ptrdiff_t>(WordsOf(*partial.command)));
  return partial;
}

Invocation ParseCommandLine(const Program& program, const std::vector<std::string>& words) {
  Invocation invocation;
  const PartialCommand partial = FindCommand(program, words);
  const auto see = [&](const std::string& error, const std::string& command) {
    invocation.error = Concat(error, "\nSee '", program.name, command, " --help' for usage.");
    return invocation;
  };
  const bool asks_for_help = words.empty() ||
                             std::find(words.begin(), words.end(), "--help") != words.end() ||
                             std::find(words.begin(), words.end(), "-h") != words.end();
  if (partial.command == nullptr) {
    const std::vector<std::string>& plain = partial.arguments;
    if (!plain.empty() && plain[0] == "help") {
      const std::vector<std::string> rest(plain.begin() + 1, plain.end());
      const Command* const asked = CommandOf(program, rest);
      invocation.help = asked == nullptr ? HelpOf(program) : HelpOf(program, *asked);
    } else if (partial.open_flag != nullptr) {
      see(Concat("flag needs an argument: ", NamesOf(*partial.open_flag)), "");
    } else if (asks_for_help || plain.empty()) {
      invocation.help = HelpOf(program);
    } else {
      invocation.error = UnknownCommand(program, plain);
    }
    return invocation;
  }
  const Command& command = *partial.command;
  Parser parser(program, &command);
  if (!parser.Read(words)) return see(parser.error(), Concat(" ", command.name));
  if (parser.wants_help()) {
    invocation.help = HelpOf(program, command);
    return invocation;
  }
  std::vector<std::string>& plain = parser.arguments();
  plain.erase(plain.begin(), plain.begin() + static_cast<ptrdiff_t>(WordsOf(command)));
  const std::string wrong = CheckArguments(program, command, plain);
  if (!wrong.empty()) return see(wrong, Concat(" ", command.name));
  invocation.command = &command;
  invocation.arguments = std::move(plain);
  return invocation;
}

std::string HelpOf(const Program& program) {
  std::string help = Concat(program.help, "\n\nUsage: ", program.name, " COMMAND [flags]\n\n");
  for (const Command& command : program.commands) {
    std::string name = command.name;
    name.resize(std::max<size_t>(name.size() + 2, 25), ' ');
    help += Concat("  ", name, command.help, "\n");
  }
  return Concat(help, "\nFlags of every command:\n", FlagLines(program.flags), "\nSee '",
                program.name, " COMMAND --help' for the flags of a command.\n");
}

std::string HelpOf(const Program& program, const Command& command) {
  return Concat(command.help, "\n\nUsage: ", program.name, " ", command.name, " ",
                command.arguments, command.arguments.empty() ? "" : " ", "[flags]\n",
                command.flags.empty() ? "" : "\nFlags:\n", FlagLines(command.flags),
                "\nFlags of every command:\n", FlagLines(program.flags));
}

}  // namespace apk
